"""Groups speak of people, too: what of that goes with somebody who is forgotten, and is told.

A part in a group goes with its identifier (`group_facts.erase`). Here are the values that name
somebody: a trait such as a company's contact, or the key of a household.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.access.parts import Rows, plain
from rapport_common.due.store import NewDue
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import Change, Read, Sweep
from rapport_profile.domain.stamps import EARLIEST
from rapport_profile.store.due import DUE, GROUP_MEMBER, GROUP_TOLD

_FACT = text(
    "UPDATE profile.group_fact SET traits = CAST(:traits AS json), reason = :reason "
    "WHERE workspace = :workspace AND source = :source AND message_id = :message_id"
)
_GROUP = text(
    "UPDATE profile.group_profile SET traits = CAST(:traits AS json), "
    "expired = CAST(:expired AS json), deleted_reason = :reason, "
    "updated_at = clock_timestamp() "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_NO_MEMBERS = text(
    "DELETE FROM profile.group_member WHERE workspace = :workspace "
    "AND group_id = CAST(:id AS uuid) RETURNING CAST(profile_id AS text)"
)
_NO_FACTS = text(
    "DELETE FROM profile.group_fact WHERE workspace = :workspace AND group_id = CAST(:id AS uuid)"
)
_NO_GROUP = text(
    "DELETE FROM profile.group_profile WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

_IDS = "CAST(CAST(:subjects AS text[]) AS uuid[])"
PARTS_IN_GROUPS = Rows(
    "profile.group_fact",
    "companies, households and other groups that you were said to be in, by whom and when",
    "profile.group_fact t JOIN profile.group_profile g "
    "ON g.workspace = t.workspace AND g.id = t.group_id",
    {"source": "text", "message_id": "text"},
    {**plain("source", "verb", "role", "at", "received_at"), "kind": "g.kind", "key": "g.key"},
    f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
    frozenset({"workspace", "subjects"}),
)


def group_sweeps(recogniser: Recogniser) -> list[Sweep]:
    """What was said of groups, then what that amounts to."""
    return [
        Read(
            "profile.group_fact",
            {"source": "text", "message_id": "text"},
            ("CAST(traits AS text) AS traits", "reason"),
            recogniser,
            _facts(recogniser),
            where="workspace = :workspace AND (traits IS NOT NULL OR reason IS NOT NULL)",
        ),
        Read(
            "profile.group_profile",
            {"id": "uuid"},
            (
                "CAST(traits AS text) AS traits",
                "CAST(expired AS text) AS expired",
                "deleted_reason AS reason",
                "key",
            ),
            recogniser,
            _groups(recogniser),
        ),
    ]


def _facts(recogniser: Recogniser) -> Change:
    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            given = {
                "workspace": who.workspace,
                "source": row.source,
                "message_id": row.message_id,
                "traits": _others(recogniser, who, row.traits),
                "reason": _unless(recogniser, who, row.reason),
            }
            await tx.execute(_FACT, given)

    return change


def _groups(recogniser: Recogniser) -> Change:
    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            given = {"workspace": who.workspace, "id": row.id}
            if recogniser.speaks_of(who, row.key):
                await _end(tx, given)
                continue
            given["traits"] = _others(recogniser, who, row.traits)
            given["expired"] = _others(recogniser, who, row.expired)
            given["reason"] = _unless(recogniser, who, row.reason)
            await tx.execute(_GROUP, given)
            # Who else is in it was told of these values.
            due = NewDue(who.workspace, GROUP_TOLD, row.id, EARLIEST)
            await DUE.schedule(tx, [due], keep=True)

    return change


async def _end(tx: AsyncConnection, given: dict[str, Any]) -> None:
    """A group bears somebody's name: it goes, and who else was in it is told so."""
    members = (await tx.execute(_NO_MEMBERS, given)).scalars().all()
    await tx.execute(_NO_FACTS, given)
    await tx.execute(_NO_GROUP, given)
    rows = [NewDue(given["workspace"], GROUP_MEMBER, one, EARLIEST) for one in members]
    await DUE.schedule(tx, rows)


def _others(recogniser: Recogniser, who: Subject, traits: str | None) -> str | None:
    """The traits in a JSON object that do not speak of somebody."""
    if traits is None:
        return None
    kept = {
        name: value
        for name, value in _members.decode(traits).items()
        if not recogniser.speaks_of(who, msgspec.json.encode({name: value}))
    }
    return msgspec.json.encode(kept).decode()


def _unless(recogniser: Recogniser, who: Subject, reason: str | None) -> str | None:
    return "erased" if recogniser.is_mentioned(who, reason) else reason
