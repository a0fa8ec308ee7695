"""The words that people have said about consents, one row each, under who said them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.consent_facts import ALWAYS_KEPT, MAX_FACTS, Fact
from rapport_profile.domain.consents import Subject
from rapport_profile.domain.naming import Id
from rapport_profile.store.inbox import MessageKey
from rapport_profile.store.people import Scoped
from rapport_profile.store.reads import Person

Place = tuple[datetime, str, str]
"""(at, source, message id): where a word stands among those of a person."""

_texts = msgspec.json.Decoder(dict[str, str])


class Ending(NamedTuple):
    """That a permission of an identifier (its place, its name) ends."""

    place: Scoped
    who: Identifier
    subject: Subject
    at: datetime


class Said(NamedTuple):
    """A word and whose it is."""

    workspace: str
    identifier_id: Id
    fact: Fact


_PLAIN = (
    "source",
    "message_id",
    "sequence",
    "channel",
    "purpose",
    "contact_point",
    "kind",
    "state",
    "at",
    "received_at",
    "trust",
    "wording_version",
    "legal_basis",
    "expires_at",
    "ip_hash",
    "lacks",
)
_ROW = ("workspace", "identifier_id", *_PLAIN, "evidence")
_JUDGED = ("identifier_id", *(one for one in _PLAIN if one not in {"source", "message_id"}))
_ADD = text(
    f"INSERT INTO profile.consent_fact AS f ({', '.join(_ROW)}) SELECT w, CAST(i AS uuid), "
    "f ->> 'source', f ->> 'message_id', CAST(f ->> 'sequence' AS bigint), f ->> 'channel', "
    "f ->> 'purpose', f ->> 'contact_point', f ->> 'kind', f ->> 'state', "
    "CAST(f ->> 'at' AS timestamptz), CAST(f ->> 'received_at' AS timestamptz), f ->> 'trust', "
    "f ->> 'wording_version', f ->> 'legal_basis', CAST(f ->> 'expires_at' AS timestamptz), "
    "f ->> 'ip_hash', f ->> 'lacks', f -> 'texts' FROM unnest(CAST(:workspaces AS text[]), "
    "CAST(:identifiers AS text[]), CAST(:facts AS jsonb[])) AS v(w, i, f) "
    "ON CONFLICT (workspace, source, message_id) DO UPDATE SET "
    + ", ".join(f"{one} = excluded.{one}" for one in _ROW if one not in {"workspace", "source"})
    # What rests on the same is not written again; other words are other copies, and come anew.
    + f" WHERE ({', '.join(f'f.{one}' for one in _JUDGED)}) IS DISTINCT FROM "
    f"({', '.join(f'excluded.{one}' for one in _JUDGED)}) RETURNING f.workspace, f.identifier_id"
)
_SUBJECT = "channel, purpose, contact_point"
_LATEST_FIRST = "at DESC, sequence DESC, message_id DESC, source DESC"
_TRIM = text(
    # What a page says, whose key everybody has, does not push out what is believed; and what
    # decides stays before what it has overtaken.
    "DELETE FROM profile.consent_fact f USING ("
    "SELECT workspace, source, message_id, row_number() OVER (PARTITION BY workspace, "
    "identifier_id, trust ORDER BY age <= :always DESC, place = 1 DESC, kind = 'refused' DESC, age)"
    " AS place FROM (SELECT c.workspace, c.identifier_id, c.source, c.message_id, c.kind, c.trust, "
    "row_number() OVER (PARTITION BY c.workspace, c.identifier_id, c.trust "
    f"ORDER BY {_LATEST_FIRST}) AS age, row_number() OVER (PARTITION BY c.workspace, "
    f"c.identifier_id, c.trust, {_SUBJECT}, c.kind ORDER BY {_LATEST_FIRST}) AS place "
    f"FROM profile.consent_fact c JOIN (SELECT DISTINCT * FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('identifiers', 'uuid')})) "
    "AS v(workspace, identifier_id) USING (workspace, identifier_id)) AS aged) AS ranked "
    "WHERE ranked.place > :most AND f.workspace = ranked.workspace "
    "AND f.source = ranked.source AND f.message_id = ranked.message_id"
)
_ENDS = text(
    # Of each kind of word on a subject the latest, where it ends: the end of no other matters.
    "SELECT d.*, i.kind AS said_by_kind, i.value AS said_by_value FROM (SELECT DISTINCT ON "
    f"(workspace, identifier_id, {_SUBJECT}, kind) workspace, identifier_id, {_SUBJECT}, expires_at"
    f" FROM profile.consent_fact JOIN (SELECT DISTINCT * FROM unnest({packed('workspaces', 'text')}"
    f", {packed('identifiers', 'uuid')})) AS v(workspace, identifier_id) "
    "USING (workspace, identifier_id) WHERE kind <> 'refused' "
    f"ORDER BY workspace, identifier_id, {_SUBJECT}, kind, {_LATEST_FIRST}) AS d "
    "JOIN profile.identifier i ON i.workspace = d.workspace AND i.id = d.identifier_id "
    "WHERE d.expires_at IS NOT NULL "
    f"ORDER BY d.workspace, d.identifier_id, d.expires_at, {_SUBJECT}"
)
_FORGET = text(
    "DELETE FROM profile.consent_fact WHERE (workspace, source, message_id) = "
    "(:workspace, :source, :message_id)"
)
_ERASE = text(
    "DELETE FROM profile.consent_fact WHERE workspace = :workspace "
    "AND identifier_id = ANY(CAST(:ids AS uuid[])) AND received_at < :at"
)
_ERASE_THESE = text(
    "DELETE FROM profile.consent_fact f USING unnest(CAST(:sources AS text[]), "
    "CAST(:messages AS text[])) AS v(source, message_id) WHERE f.workspace = :workspace "
    "AND f.source = v.source AND f.message_id = v.message_id"
)
_COLUMNS = (
    ", ".join(f"f.{one}" for one in _PLAIN)
    + ", CAST(f.evidence AS text) AS evidence, i.kind AS said_by_kind, i.value AS said_by_value"
)
_OF_PERSON = (
    f"SELECT {_COLUMNS} FROM profile.identifier i JOIN profile.consent_fact f "
    "ON f.workspace = i.workspace AND f.identifier_id = i.id "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id "
)
_LATEST = text(
    _OF_PERSON + "AND (CAST(:at AS timestamptz) IS NULL OR (f.at, f.source, f.message_id) < "
    "(CAST(:at AS timestamptz), :source, :message_id)) "
    "ORDER BY f.at DESC, f.source DESC, f.message_id DESC LIMIT :limit"
)
_ABOUT = text(
    _OF_PERSON + "AND (f.channel, f.purpose, f.contact_point) IN (SELECT * FROM unnest("
    "CAST(:channels AS text[]), CAST(:purposes AS text[]), CAST(:points AS text[]))) "
    "ORDER BY f.at DESC, f.source DESC, f.message_id DESC LIMIT :limit"
)
_WHOSE = text(
    "SELECT identifier_id, expires_at FROM profile.consent_fact WHERE workspace = :workspace "
    "AND source = :source AND message_id = :message_id"
)


async def remember(tx: AsyncConnection, said: Sequence[Said]) -> set[Scoped]:
    """Keep words, and of each who says more than enough the newest, what decides, and the noes.

    The identifiers of which something is known that was not.
    """
    if not said:
        return set()
    ordered = sorted(said, key=lambda one: (one.workspace, one.fact.source, one.fact.message_id))
    workspaces = [one.workspace for one in ordered]
    identifiers = [one.identifier_id for one in ordered]
    facts = [msgspec.json.encode(one.fact).decode() for one in ordered]
    given = {"workspaces": workspaces, "identifiers": identifiers, "facts": facts}
    new = {(row.workspace, str(row.identifier_id)) for row in await tx.execute(_ADD, given)}
    bounds = {"always": ALWAYS_KEPT, "most": MAX_FACTS}
    named = {"workspaces": pack(workspaces), "identifiers": pack(identifiers)}
    if new:
        await tx.execute(_TRIM, {**named, **bounds})
    return new


async def forget(tx: AsyncConnection, key: MessageKey) -> None:
    """The word of a message does not count any more: another copy of it does."""
    workspace, source, message_id = key
    asked = {"workspace": workspace, "source": source, "message_id": message_id}
    await tx.execute(_FORGET, asked)


async def erase(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime, named: Sequence[Event]
) -> int:
    """Remove words of identifiers received before `at`, and those of some events; how many."""
    asked = {"workspace": workspace, "ids": list(ids), "at": at}
    number = (await tx.execute(_ERASE, asked)).rowcount
    if named:
        these = {
            "workspace": workspace,
            "sources": [one.source for one in named],
            "messages": [one.message_id for one in named],
        }
        number += (await tx.execute(_ERASE_THESE, these)).rowcount
    return number


async def latest(
    tx: AsyncConnection, who: Person, limit: int, before: Place | None = None
) -> list[tuple[Fact, Identifier]]:
    """A person's words and who said each, newest first: those before a place, if given."""
    at, source, message_id = before or (None, "", "")
    asked = {"at": at, "source": source, "message_id": message_id, "limit": limit}
    rows = await tx.execute(_LATEST, {**who._asdict(), **asked})
    return [_fact(row) for row in rows]


async def about(
    tx: AsyncConnection, who: Person, subjects: Sequence[Subject], limit: int
) -> list[tuple[Fact, Identifier]]:
    """A person's words about some subjects and who said each, newest first."""
    asked = {
        "channels": [one[0] for one in subjects],
        "purposes": [one[1] for one in subjects],
        "points": [one[2] for one in subjects],
        "limit": limit,
    }
    rows = await tx.execute(_ABOUT, {**who._asdict(), **asked})
    return [_fact(row) for row in rows]


async def ends(tx: AsyncConnection, places: Collection[Scoped]) -> list[Ending]:
    """When what these identifiers permit ends, earliest first of each; those over too."""
    named = {
        "workspaces": pack(workspace for workspace, _id in places),
        "identifiers": pack(one for _workspace, one in places),
    }
    return [
        Ending(
            (row.workspace, str(row.identifier_id)),
            (row.said_by_kind, row.said_by_value),
            (row.channel, row.purpose, row.contact_point),
            row.expires_at,
        )
        for row in await tx.execute(_ENDS, named)
    ]


async def whose(tx: AsyncConnection, key: MessageKey) -> tuple[Id, datetime | None] | None:
    """The identifier that the word of a message is of, and when it ends."""
    workspace, source, message_id = key
    asked = {"workspace": workspace, "source": source, "message_id": message_id}
    row = (await tx.execute(_WHOSE, asked)).first()
    return None if row is None else (str(row.identifier_id), row.expires_at)


def _fact(row: Row[Any]) -> tuple[Fact, Identifier]:
    plain = {name: getattr(row, name) for name in _PLAIN}
    fact = Fact(**plain, texts=_texts.decode(row.evidence))
    return fact, (row.said_by_kind, row.said_by_value)
