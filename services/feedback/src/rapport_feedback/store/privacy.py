"""What feedback holds of somebody who is to be forgotten.

An answer stays in the sums of its wave, and a case keeps its number, both without a word of the
person: who asks for a score, or for the numbers of cases, gets the same as before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import AND_AT, BEFORE, Change, Found, Read, Sweep, changing
from rapport_common.webhooks.keeping import forgotten_posts
from rapport_feedback.store import intake_privacy
from rapport_feedback.tables import SCHEMA

ERASED = "erased"
_NAMES = ("user_id", "email", "anonymous_id")

IDENTITIES = Found(
    "feedback.identity",
    "DELETE FROM feedback.identity WHERE ctid IN (SELECT ctid FROM feedback.identity "
    "WHERE workspace = :workspace AND profile_id = ANY(CAST(:profiles AS text[])) LIMIT :limit)",
    "SELECT count(*) FROM feedback.identity WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:profiles AS text[]))",
)


def _of_profile(table: str) -> Found:
    """Rows that are kept by the profile alone."""
    where = "workspace = :workspace AND profile_id = ANY(CAST(:profiles AS text[]))"
    return Found(
        table,
        f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE {where} LIMIT :limit)",
        f"SELECT count(*) FROM {table} WHERE {where}",
    )


ASKED = [
    _of_profile(f"feedback.{one}") for one in ("asking_occasion", "segment_stay", "person_reach")
]
BLANK_ANSWER = (
    f"UPDATE feedback.response SET comment = '', words = '{{}}', kind = '{ERASED}', "
    "value = CAST(response_id AS text)"
)
# It was sent, and counts; its link leads nowhere.
_BLANK_INVITATION = (
    f"UPDATE feedback.invitation SET kind = '{ERASED}', value = CAST(invitation_id AS text), "
    "user_id = NULL, email = NULL, anonymous_id = NULL, traits = '{}', override_reason = NULL, "
    "expires_at = least(expires_at, clock_timestamp())"
)
_CLOSE = text(
    "INSERT INTO feedback.case_event (workspace, case_id, step, actor, at, from_state, to_state, "
    "note, acknowledge_due_at, due_at, version) SELECT workspace, case_id, step + 1, 'privacy', "
    "clock_timestamp(), state, 'closed', '', acknowledge_due_at, due_at, version + 1 "
    "FROM feedback.complaint "
    "WHERE workspace = :workspace AND case_id = CAST(CAST(:case AS text) AS uuid) "
    "AND state <> 'closed'"
)
BLANK_CASE = (
    "UPDATE feedback.complaint SET subject = '', body = '', user_id = NULL, email = NULL, "
    "anonymous_id = NULL, invitation_id = NULL, deadline_at = NULL, "
    "step = step + CASE WHEN state = 'closed' THEN 0 ELSE 1 END, "
    "version = version + CASE WHEN state = 'closed' THEN 0 ELSE 1 END, "
    "closed_at = coalesce(closed_at, clock_timestamp()), state = 'closed', order_id = ''"
)
# What it was is said with the kind and the time; a closed lap shows nobody.
BLANK_ENTRIES = "UPDATE feedback.case_entry SET note = '', data = '{}'"
_END_LAPS = text(
    "UPDATE feedback.case_clock SET ended_at = clock_timestamp(), paused = false, outcome = "
    "CASE WHEN due_at < clock_timestamp() THEN 'breached' ELSE 'met' END "
    "WHERE workspace = :workspace AND case_id = CAST(CAST(:case AS text) AS uuid) "
    "AND outcome IS NULL"
)
DROP_MESSAGES = "DELETE FROM feedback.case_message"
# What was read of words goes with them; what people said of that goes with it.
DROP_TEXTS = "DELETE FROM feedback.text_enrichment"
BLANK_NOTES = "UPDATE feedback.case_event SET note = ''"
_OF_CASE = "WHERE workspace = :workspace AND case_id = CAST(CAST(:case AS text) AS uuid)"
_BLANK_CASE = text(f"{BLANK_CASE} {_OF_CASE}")
_BLANK_NOTES = text(f"{BLANK_NOTES} {_OF_CASE}")
_BLANK_ENTRIES = text(f"{BLANK_ENTRIES} {_OF_CASE}")
_DROP_TEXTS = text(f"{DROP_TEXTS} {_OF_CASE}")
_DROP_MESSAGES = text(f"{DROP_MESSAGES} {_OF_CASE}")
_STOP_CLOCKS = text("DELETE FROM feedback.due WHERE workspace = :workspace AND key = :case")
_FORGET = (
    _CLOSE,
    _BLANK_CASE,
    _BLANK_NOTES,
    _BLANK_ENTRIES,
    _DROP_MESSAGES,
    _DROP_TEXTS,
    _END_LAPS,
    _STOP_CLOCKS,
    *intake_privacy.FORGET,
)


def sweeps(recogniser: Recogniser) -> list[Sweep]:
    """All of it, in the order in which it goes."""
    return [
        _answers(recogniser),
        _comments(recogniser),
        _invitations(recogniser),
        *intake_privacy.intake_sweeps(recogniser, _FORGET),
        _cases(recogniser),
        _written(recogniser, "feedback.complaint", {"case_id": "uuid"}, "opened_at"),
        _notes(recogniser),
        _entries(recogniser),
        _written(recogniser, "feedback.case_message", {"message_id": "text"}, "at"),
        *ASKED,
        _bulk_changes(recogniser),
        forgotten_posts(SCHEMA),
        IDENTITIES,
        *aside_sweeps(SCHEMA, recogniser),
    ]


def _is_theirs(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
    """By (kind, value), and the columns that hold one kind each."""
    given = [(row[0], row[1]), *zip(_NAMES, row[2:], strict=False)]
    return any(known.is_named(who, kind, value) for kind, value in given if kind)


def _with_texts(statement: str, key: Mapping[str, str]) -> Change:
    """The change, and what was read of the same rows' words is dropped."""
    first, then = changing(statement, key), changing(DROP_TEXTS, key)

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        await first(tx, who, rows)
        await then(tx, who, rows)

    return change


def _answers(recogniser: Recogniser) -> Sweep:
    key = {"response_id": "uuid"}
    return Read(
        "feedback.response",
        key,
        ("kind", "value"),
        recogniser,
        _with_texts(BLANK_ANSWER, key),
        speaks=_is_theirs,
        where=f"workspace = :workspace AND answered_at < {BEFORE}",
        names=AND_AT,
    )


def _comments(recogniser: Recogniser) -> Sweep:
    """What others wrote of the person."""
    key = {"response_id": "uuid"}
    return Read(
        "feedback.response",
        key,
        ("comment", "CAST(words AS text)"),
        recogniser,
        _with_texts("UPDATE feedback.response SET comment = '', words = '{}'", key),
        speaks=_mentions,
        where="workspace = :workspace AND (comment <> '' OR words <> '{}') "
        f"AND answered_at < {BEFORE}",
        names=AND_AT,
    )


def _invitations(recogniser: Recogniser) -> Sweep:
    key = {"invitation_id": "uuid"}
    return Read(
        "feedback.invitation",
        key,
        ("kind", "value", *_NAMES),
        recogniser,
        changing(_BLANK_INVITATION, key),
        speaks=_is_theirs,
        where=f"workspace = :workspace AND created_at < {BEFORE}",
        names=AND_AT,
    )


def _cases(recogniser: Recogniser) -> Sweep:
    """Those of the person are closed: nobody is left to answer. Their clocks stop."""

    def speaks(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
        return any(known.is_named(who, *one) for one in zip(_NAMES, row, strict=True))

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            case = {"workspace": who.workspace, "case": row[0]}
            for statement in _FORGET:
                await tx.execute(statement, case)

    return Read(
        "feedback.complaint",
        {"case_id": "uuid"},
        _NAMES,
        recogniser,
        change,
        speaks=speaks,
        where=f"workspace = :workspace AND opened_at < {BEFORE}",
        names=AND_AT,
    )


def _written(recogniser: Recogniser, table: str, key: Mapping[str, str], at: str) -> Sweep:
    """What others wrote of the person: it goes on without what stands for them."""
    (name, type_), *_ = key.items()
    dropped = changing(DROP_TEXTS, key)
    covered = text(
        f"UPDATE {table} SET subject = :subject, body = :body WHERE workspace = :workspace "
        f"AND {name} = CAST(CAST(:key AS text) AS {type_})"
    )

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            given = {
                "workspace": who.workspace,
                "key": row[0],
                "subject": recogniser.without(who, row.subject),
                "body": recogniser.without(who, row.body),
            }
            await tx.execute(covered, given)
        await dropped(tx, who, rows)

    return Read(
        table,
        key,
        ("subject", "body"),
        recogniser,
        change,
        speaks=_mentions,
        where=f"workspace = :workspace AND (subject <> '' OR body <> '') AND {at} < {BEFORE}",
        names=AND_AT,
    )


def _mentions(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
    return known.is_mentioned(who, *row)


def _notes(recogniser: Recogniser) -> Sweep:
    """What was noted of the person at others' cases."""
    key = {"case_id": "uuid", "step": "integer"}
    return Read(
        "feedback.case_event",
        key,
        ("note",),
        recogniser,
        changing("UPDATE feedback.case_event SET note = ''", key),
        speaks=_mentions,
        where=f"workspace = :workspace AND note <> '' AND at < {BEFORE}",
        names=AND_AT,
    )


def _entries(recogniser: Recogniser) -> Sweep:
    """What was written of the person at others' cases, beside steps."""
    key = {"case_id": "uuid", "version": "integer"}
    return Read(
        "feedback.case_entry",
        key,
        ("note",),
        recogniser,
        changing(BLANK_ENTRIES, key),
        speaks=_mentions,
        where=f"workspace = :workspace AND note <> '' AND at < {BEFORE}",
        names=AND_AT,
    )


def _bulk_changes(recogniser: Recogniser) -> Sweep:
    """What was to be noted at many cases: it stands at each, and in the job."""
    key = {"id": "text"}
    return Read(
        "feedback.job",
        key,
        ("spec->>'note'", "spec->>'reason'"),
        recogniser,
        changing("UPDATE feedback.job SET spec = spec - 'note' - 'reason'", key),
        speaks=_mentions,
        where="workspace = :workspace AND kind = 'change_cases' AND (spec ? 'note' "
        f"OR spec ? 'reason') AND created_at < {BEFORE}",
        names=AND_AT,
    )
