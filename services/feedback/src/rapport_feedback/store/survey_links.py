"""Links to surveys: a person's own, and those for all to an anonymous one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.surveys import OPEN_LINK, Invitation, Kind, Survey

# What a person is told, and by what the answer is counted, is as it was said last.
_ADD = text(
    "INSERT INTO feedback.invitation AS i (workspace, invitation_id, survey_id, wave, "
    "kind, value, user_id, email, anonymous_id, created_at, expires_at, context, traits, "
    "override_by, override_reason) "
    "VALUES (:workspace, :new_id, :survey_id, :wave, :kind, :value, :user_id, :email, "
    ":anonymous_id, :at, :until, CAST(:context AS jsonb), CAST(:traits AS jsonb), "
    ":override_by, :override_reason) "
    "ON CONFLICT (workspace, survey_id, wave, kind, value) "
    "DO UPDATE SET expires_at = greatest(i.expires_at, excluded.expires_at), "
    "context = i.context || excluded.context, traits = i.traits || excluded.traits "
    "RETURNING invitation_id"
)


_ADD_ALL = text(
    "INSERT INTO feedback.invitation AS i (workspace, invitation_id, survey_id, wave, "
    "kind, value, user_id, email, anonymous_id, created_at, expires_at, context) "
    "SELECT :workspace, v.id, :survey_id, :wave, v.kind, v.value, v.user_id, v.email, "
    "v.anonymous_id, :at, :until, CAST(v.context AS jsonb) FROM unnest(CAST(:ids AS uuid[]), "
    "CAST(:kinds AS text[]), CAST(:values AS text[]), CAST(:users AS text[]), "
    "CAST(:emails AS text[]), CAST(:anonymous AS text[]), CAST(:contexts AS text[])) "
    "AS v(id, kind, value, user_id, email, anonymous_id, context) ORDER BY v.kind, v.value "
    "ON CONFLICT (workspace, survey_id, wave, kind, value) "
    "DO UPDATE SET expires_at = greatest(i.expires_at, excluded.expires_at), "
    # They are asked anew, and the contact policy counts from now on.
    "created_at = greatest(i.created_at, excluded.created_at), "
    "context = i.context || excluded.context RETURNING invitation_id, kind, value"
)


_OF_LINK = (
    "SELECT i.workspace, i.invitation_id, i.survey_id, i.wave, i.user_id, i.email, "
    "i.anonymous_id, i.expires_at, i.kind AS link, CAST(i.context AS text) AS context, "
    "CAST(i.traits AS text) AS traits, s.kind, s.question, s.version, s.archived_at "
    "FROM feedback.invitation i JOIN feedback.survey s USING (workspace, survey_id) "
    "WHERE i.invitation_id = :invitation_id"
)
_READ = text(_OF_LINK)
_LOCKED = text(
    f"(WITH own AS ({_OF_LINK} AND i.kind <> '{OPEN_LINK}' FOR UPDATE OF i) SELECT * FROM own) "
    f"UNION ALL ({_OF_LINK} AND i.kind = '{OPEN_LINK}')"
)


async def invite(
    tx: AsyncConnection,
    survey: Survey,
    contact: Contact,
    new_id: UUID,
    *,
    at: datetime,
    until: datetime,
    context: Mapping[str, str] | None = None,
    traits: Mapping[str, str] | None = None,
    overridden: tuple[str, str] | None = None,
) -> tuple[UUID, bool]:
    """The invitation of a person to the survey's wave, and whether it is a new one.

    Who was invited before keeps the same link, which then lasts until `until`. `overridden`: by
    whom and why the contact policy was not heeded.
    """
    kind, value = contact.strongest
    who = {
        "kind": kind,
        "value": value,
        "user_id": contact.user_id,
        "email": contact.email,
        "anonymous_id": contact.anonymous_id,
    }
    told = {"context": json.dumps(context or {}), "traits": json.dumps(traits or {})}
    return await _add(tx, survey, new_id, {**who, **told, "at": at, "until": until}, overridden)


@dataclass(frozen=True, slots=True)
class New:
    """An invitation to be: its id, if there is none yet, whose it is, by what answers count."""

    invitation_id: UUID
    contact: Contact
    context: Mapping[str, str]


async def invite_all(
    tx: AsyncConnection, survey: Survey, new: Sequence[New], *, at: datetime, until: datetime
) -> list[UUID]:
    """The invitations of many people to the survey's wave, in the order given; all are others."""
    strongest = [one.contact.strongest for one in new]
    rows = await tx.execute(
        _ADD_ALL,
        {
            "workspace": survey.workspace,
            "survey_id": survey.survey_id,
            "wave": survey.wave,
            "at": at,
            "until": until,
            "ids": [one.invitation_id for one in new],
            "kinds": [kind for kind, _ in strongest],
            "values": [value for _, value in strongest],
            "users": [one.contact.user_id for one in new],
            "emails": [one.contact.email for one in new],
            "anonymous": [one.contact.anonymous_id for one in new],
            "contexts": [json.dumps(dict(one.context)) for one in new],
        },
    )
    made = {(row.kind, row.value): row.invitation_id for row in rows}
    return [made[name] for name in strongest]


async def is_invited(tx: AsyncConnection, survey: Survey, contact: Contact) -> bool:
    """Whether a person has a link to the survey's wave under this very name."""
    kind, value = contact.strongest
    found = await tx.scalar(
        text(
            "SELECT EXISTS (SELECT FROM feedback.invitation WHERE workspace = :workspace "
            "AND survey_id = :survey_id AND wave = :wave AND kind = :kind AND value = :value)"
        ),
        {
            "workspace": survey.workspace,
            "survey_id": survey.survey_id,
            "wave": survey.wave,
            "kind": kind,
            "value": value,
        },
    )
    return bool(found)


async def open_link(
    tx: AsyncConnection,
    survey: Survey,
    new_id: UUID,
    *,
    at: datetime,
    until: datetime,
    context: Mapping[str, str],
) -> tuple[UUID, bool]:
    """The link for all to the survey's wave, one for each context; whether it is a new one."""
    told = json.dumps(dict(sorted(context.items())))
    nobody = dict.fromkeys(("user_id", "email", "anonymous_id"))
    values = {"kind": OPEN_LINK, "value": told, **nobody, "context": told, "traits": "{}"}
    return await _add(tx, survey, new_id, {**values, "at": at, "until": until})


async def _add(
    tx: AsyncConnection,
    survey: Survey,
    new_id: UUID,
    values: Mapping[str, object],
    overridden: tuple[str, str] | None = None,
) -> tuple[UUID, bool]:
    by, why = overridden or (None, None)
    values = {**values, "override_by": by, "override_reason": why}
    of = {"workspace": survey.workspace, "survey_id": survey.survey_id, "wave": survey.wave}
    invitation_id: UUID = (await tx.execute(_ADD, {**of, **values, "new_id": new_id})).scalar_one()
    return invitation_id, invitation_id == new_id


async def invitation(
    tx: AsyncConnection, invitation_id: UUID, *, lock: bool = False
) -> Invitation | None:
    """What a link stands for. Locked, it makes the requests of one link take turns, unless it is
    for all: there is one for a whole shop.
    """
    rows = await tx.execute(_LOCKED if lock else _READ, {"invitation_id": invitation_id})
    row = rows.mappings().first()
    if row is None:
        return None
    return Invitation(
        workspace=row["workspace"],
        invitation_id=row["invitation_id"],
        survey_id=row["survey_id"],
        wave=row["wave"],
        contact=contact_of(row),
        expires_at=row["expires_at"],
        kind=Kind(row["kind"]),
        question=row["question"],
        version=row["version"],
        is_open=row["link"] == OPEN_LINK,
        # It is on paper and in web pages: it ends with its survey.
        lasts=row["link"] == OPEN_LINK and row["archived_at"] is None,
        context=msgspec.json.decode(row["context"]),
        traits=msgspec.json.decode(row["traits"]),
    )


def contact_of(row: RowMapping) -> Contact:
    """The identifiers in a row."""
    return Contact(row["user_id"], row["email"], row["anonymous_id"])
