"""What people have answered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.questions import Value
from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.survey_texts import typed
from rapport_feedback.domain.surveys import ANONYMOUS, Invitation, Response, State
from rapport_feedback.store import texts

_RESPONSE = (
    "response_id, score, comment, CAST(answers AS text) AS answers, CAST(words AS text) AS words, "
    "revision, answered_at, revised_at, version, done, state, finished_at, released"
)
_KEPT = (
    "score = excluded.score, comment = excluded.comment, answers = excluded.answers, "
    "words = excluded.words, "
    "revision = excluded.revision, revised_at = excluded.revised_at, done = excluded.done, "
    "state = excluded.state, finished_at = excluded.finished_at"
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A response as it is kept: what of `answers` is whose needs the form of its version."""

    response_id: UUID
    version: int
    row: Mapping[str, Any]

    @property
    def is_told(self) -> bool:
        """Whether others can see it: a score it is in, or the answer itself."""
        return bool(self.row["released"])

    def of(self, form: Form) -> Response:
        """The response to this form."""
        row = self.row
        answers: dict[str, Value] = msgspec.json.decode(row["answers"])
        answers.update(msgspec.json.decode(row["words"]))
        if form.comment is not None and row["comment"]:
            answers[form.comment.id] = row["comment"]
        if form.lead is not None and row["score"] is not None:
            answers[form.lead.id] = row["score"]
        finished = row["finished_at"]
        if finished is None and row["state"] == State.COMPLETE:
            finished = row["answered_at"]
        return Response(
            response_id=self.response_id,
            answers=answers,
            revision=row["revision"],
            answered_at=row["answered_at"],
            revised_at=row["revised_at"],
            version=self.version,
            done=tuple(row["done"]),
            state=State(row["state"]),
            finished_at=finished,
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A response with what it counts by and, unless it is anonymous, whose it is."""

    raw: Raw
    wave: int
    context: Mapping[str, str]
    kind: str | None
    value: str | None


def named(invited: Invitation, response_id: UUID) -> tuple[str, str]:
    """Under what an answer is kept: the invitation's own name; of an anonymous one nobody's.

    Not under the person's other names: those are what others say, and this is read aloud.
    """
    return (ANONYMOUS, str(response_id)) if invited.is_open else invited.contact.strongest


async def response_of(
    tx: AsyncConnection, invited: Invitation, anonymous_id: UUID | None = None
) -> Raw | None:
    """The answer given by a link; of an open link the one that `anonymous_id` stands for."""
    if invited.is_open and anonymous_id is None:
        return None
    kind, value = named(invited, anonymous_id or invited.invitation_id)
    rows = await tx.execute(
        text(
            f"SELECT {_RESPONSE} FROM feedback.response WHERE workspace = :workspace "
            "AND survey_id = :survey_id AND wave = :wave AND kind = :kind AND value = :value"
        ),
        {
            "workspace": invited.workspace,
            "survey_id": invited.survey_id,
            "wave": invited.wave,
            "kind": kind,
            "value": value,
        },
    )
    row = rows.mappings().first()
    return None if row is None else _raw(row)


async def lock_anonymous(tx: AsyncConnection, response_id: UUID) -> None:
    """Let the presses of one anonymous answer take turns, until the transaction ends.

    Those of an open link don't: there is one for a whole shop.
    """
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:id AS text), 0))"),
        {"id": str(response_id)},
    )


async def save_response(
    tx: AsyncConnection, invited: Invitation, form: Form, response: Response
) -> None:
    """Keep a new response, under the invitation's strongest name, or a revision of one.

    What it counts by is that of the link when it was first given.
    """
    kind, value = named(invited, response.response_id)
    left = dict(response.answers)
    score = left.pop(form.lead.id, None) if form.lead else None
    comment = left.pop(form.comment.id, "") if form.comment else ""
    words = {key: left.pop(key) for key in typed(form) if key in left}
    await tx.execute(
        text(
            "INSERT INTO feedback.response (workspace, response_id, survey_id, wave, kind, "
            "value, score, comment, revision, answered_at, revised_at, version, answers, words, "
            "done, state, finished_at, context, anonymous, released) "
            "VALUES (:workspace, :response_id, :survey_id, :wave, :kind, :value, :score, "
            ":comment, :revision, :answered_at, :revised_at, :version, CAST(:answers AS jsonb), "
            "CAST(:words AS jsonb), :done, :state, :finished_at, CAST(:context AS jsonb), "
            ":anonymous, NOT :anonymous) "
            f"ON CONFLICT (workspace, response_id) DO UPDATE SET {_KEPT}"
        ),
        {
            "workspace": invited.workspace,
            "response_id": response.response_id,
            "survey_id": invited.survey_id,
            "wave": invited.wave,
            "kind": kind,
            "value": value,
            "score": score,
            "comment": comment,
            "revision": response.revision,
            "answered_at": response.answered_at,
            "revised_at": response.revised_at,
            "version": response.version,
            "answers": json.dumps(left),
            "words": json.dumps(words),
            "done": list(response.done),
            "state": response.state,
            "finished_at": response.finished_at,
            "context": json.dumps(dict(invited.context)),
            "anonymous": invited.is_open,
        },
    )
    if comment or words or response.revision > 1:
        is_new = response.revision == 1
        await texts.note(tx, invited.workspace, "answer", response.response_id, is_new=is_new)


async def responses(
    tx: AsyncConnection,
    workspace: str,
    survey_id: UUID,
    *,
    after: UUID | None,
    limit: int,
) -> Sequence[Listed]:
    """All answers to a survey that are told of, by their ids: in an order that says nothing of
    when they came.
    """
    rows = await tx.execute(
        text(
            f"SELECT {_RESPONSE}, wave, CAST(context AS text) AS context, kind, value, anonymous "
            "FROM feedback.response WHERE workspace = :workspace AND survey_id = :survey_id "
            "AND released AND (CAST(:after AS uuid) IS NULL OR response_id > :after) "
            "ORDER BY response_id LIMIT :limit"
        ),
        {"workspace": workspace, "survey_id": survey_id, "after": after, "limit": limit},
    )
    return [_listed(row) for row in rows.mappings()]


def _listed(row: RowMapping) -> Listed:
    is_named = not row["anonymous"] and row["kind"] != "erased"
    return Listed(
        raw=_raw(row),
        wave=row["wave"],
        context=msgspec.json.decode(row["context"]),
        kind=row["kind"] if is_named else None,
        value=row["value"] if is_named else None,
    )


def _raw(row: RowMapping) -> Raw:
    return Raw(row["response_id"], row["version"], dict(row))
