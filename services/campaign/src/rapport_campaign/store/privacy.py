"""What campaign holds of somebody who is to be forgotten, and that nothing is sent to them.

A message stays in the ledger: that it was planned, and what became of it, but not to whom.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.store.moves import FIXED, TOLD, Move, moves
from rapport_campaign.tables import FOLLOWED, SCHEMA
from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.store import PrivacyStore
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import AND_AT, BEFORE, Found, Read, Sweep, Waits, changing
from rapport_common.webhooks.keeping import forgotten_posts

PRIVACY = PrivacyStore(SCHEMA)
ERASED = "erased"
_OF_THEM = "workspace = :workspace AND profile_id = ANY(CAST(:profiles AS text[]))"
_HELD = " OR ".join(f"{one} IS NOT NULL" for one in FOLLOWED.sections)
_SPEAKING = f"(to_address IS NOT NULL OR reason <> '{ERASED}')"
_TOLD = "(address IS NOT NULL OR text <> '')"
_NO_WORD = (
    "UPDATE campaign.message SET to_address = NULL, "
    f"reason = CASE WHEN reason IS NOT NULL THEN '{ERASED}' END"
)
_END = f"INSERT INTO campaign.message ({FIXED}, attempt, state, reason"
# Whose outcome nobody will tell any more: it is on its way, and its token is forgotten.
_STOP = (
    text(
        f"WITH gone AS (DELETE FROM campaign.plan WHERE {_OF_THEM} RETURNING *) {_END}) "
        f"SELECT {FIXED}, attempt, 'suppressed', :reason FROM gone RETURNING {TOLD}"
    ),
    text(
        f"WITH gone AS (DELETE FROM campaign.sending WHERE {_OF_THEM} RETURNING *) "
        f"{_END}, opened_at, clicked_at) SELECT {FIXED}, attempt, 'uncertain', :reason, "
        f"opened_at, clicked_at FROM gone RETURNING {TOLD}"
    ),
)

CONTENTS = Found(
    "campaign.content",
    "DELETE FROM campaign.content WHERE ctid IN (SELECT c.ctid FROM campaign.content c "
    "JOIN campaign.every_message m USING (workspace, send_key) WHERE m.workspace = :workspace "
    "AND m.profile_id = ANY(CAST(:profiles AS text[])) LIMIT :limit)",
)
MESSAGES = Found(
    "campaign.message",
    f"{_NO_WORD} WHERE (workspace, send_key, planned_at) IN ("
    "SELECT workspace, send_key, planned_at FROM campaign.message "
    f"WHERE {_OF_THEM} AND {_SPEAKING} LIMIT :limit)",
    f"SELECT count(*) FROM campaign.message WHERE {_OF_THEM} AND {_SPEAKING}",
)
OUTCOMES = Found(
    "campaign.outcome",
    "UPDATE campaign.outcome SET address = NULL, text = '' WHERE ctid IN ("
    f"SELECT ctid FROM campaign.outcome WHERE {_OF_THEM} AND {_TOLD} LIMIT :limit)",
    f"SELECT count(*) FROM campaign.outcome WHERE {_OF_THEM} AND {_TOLD}",
)
OBJECTIONS = Found(
    "campaign.objection",
    "DELETE FROM campaign.objection WHERE ctid IN (SELECT ctid FROM campaign.objection "
    f"WHERE {_OF_THEM} LIMIT :limit)",
)
CONTACTS = Found(
    "campaign.contact",
    "DELETE FROM campaign.contact WHERE ctid IN (SELECT ctid FROM campaign.contact "
    f"WHERE {_OF_THEM} LIMIT :limit)",
)
ANSWERS = Found(
    "campaign.broadcast_answer",
    "DELETE FROM campaign.broadcast_answer WHERE ctid IN (SELECT ctid "
    f"FROM campaign.broadcast_answer WHERE {_OF_THEM} LIMIT :limit)",
)
INBOX = Found(
    "campaign.inbox_item",
    "DELETE FROM campaign.inbox_item WHERE ctid IN (SELECT ctid FROM campaign.inbox_item "
    f"WHERE {_OF_THEM} LIMIT :limit)",
)
POSTS = forgotten_posts(SCHEMA)
PRICES = Found(
    "campaign.message_price",
    "DELETE FROM campaign.message_price WHERE ctid IN (SELECT ctid FROM campaign.message_price "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM campaign.message_price WHERE {_OF_THEM}",
)
QUOTES = Found(
    "campaign.offer_quote",
    "DELETE FROM campaign.offer_quote WHERE ctid IN (SELECT ctid FROM campaign.offer_quote "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM campaign.offer_quote WHERE {_OF_THEM}",
)
TASKS = Found(
    "campaign.task",
    "DELETE FROM campaign.task WHERE ctid IN (SELECT ctid FROM campaign.task "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM campaign.task WHERE {_OF_THEM}",
)
_READ_ON = (
    "EXISTS (SELECT FROM campaign.job j WHERE j.workspace = t.workspace AND j.id = t.job "
    "AND j.state IN ('queued', 'running'))"
)
_UPLOADED = text(
    "SELECT EXISTS (SELECT FROM campaign.suppression_part t WHERE t.workspace = :workspace "
    f"AND t.at < {BEFORE} AND {_READ_ON})"
)
UPLOADS = Found(
    "campaign.suppression_part",
    "DELETE FROM campaign.suppression_part WHERE ctid IN (SELECT t.ctid "
    "FROM campaign.suppression_part t "
    f"WHERE t.workspace = :workspace AND NOT {_READ_ON} LIMIT :limit)",
    names=frozenset({"workspace"}),
)
RECOMMENDED = Found(
    "campaign.recommended",
    "DELETE FROM campaign.recommended WHERE ctid IN (SELECT ctid FROM campaign.recommended "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM campaign.recommended WHERE {_OF_THEM}",
)
_THEIR_EVENTS = (
    "campaign.product_event WHERE workspace = :workspace AND subject = ANY(SELECT "
    f"decode(one, 'hex') FROM unnest(CAST(:subjects AS text[])) AS one) AND received_at < {BEFORE}"
)
PRODUCT_EVENTS = Found(
    "campaign.product_event",
    f"DELETE FROM campaign.product_event WHERE ctid IN (SELECT ctid FROM {_THEIR_EVENTS} "
    "LIMIT :limit)",
    f"SELECT count(*) FROM {_THEIR_EVENTS}",
    names=frozenset({"workspace", "subjects", "at"}),
)
PEOPLE = Found(
    "campaign.person",
    f"UPDATE campaign.person SET {', '.join(f'{one} = NULL' for one in FOLLOWED.sections)} "
    "WHERE ctid IN (SELECT ctid FROM campaign.person "
    f"WHERE {_OF_THEM} AND ({_HELD}) LIMIT :limit)",
)


async def stop_messages(
    tx: AsyncConnection, workspace: str, profiles: Collection[str]
) -> list[Move]:
    """Nothing that is planned for these profiles is sent; each message that has moved by it."""
    asked = {"workspace": workspace, "profiles": sorted(profiles), "reason": ERASED}
    planned, sending = _STOP
    found = moves(await tx.execute(planned, {**asked, "before": "planned"}))
    return found + moves(await tx.execute(sending, {**asked, "before": "sending"}))


def sweeps(recogniser: Recogniser) -> list[Sweep]:
    """All of it, in the order in which it goes."""
    return [
        CONTENTS,
        MESSAGES,
        _addressed(recogniser),
        OUTCOMES,
        _reported(recogniser),
        _suppressions(recogniser),
        _preferences(recogniser),
        _preference_links(recogniser),
        _opt_ins(recogniser),
        _reasons(recogniser, "preference_link", "reason", "link_key", "created_at"),
        _reasons(recogniser, "opt_in", "reason", "opt_in_id", "asked_at"),
        _links(recogniser),
        OBJECTIONS,
        CONTACTS,
        ANSWERS,
        INBOX,
        POSTS,
        TASKS,
        RECOMMENDED,
        PRODUCT_EVENTS,
        PRICES,
        QUOTES,
        PEOPLE,
        *aside_sweeps(SCHEMA, recogniser),
        # Last, so that nothing else waits for files to be read to their end.
        Waits("campaign.suppression_part", _are_read),
        UPLOADS,
        _suppressed_addresses(recogniser),
        _reasons(recogniser, "suppressed_address", "reason", "address", "at"),
        _reasons(recogniser, "suppressed_address", "ended_because", "address", "at"),
    ]


async def _are_read(tx: AsyncConnection, who: Subject) -> bool:
    found = await tx.execute(_UPLOADED, {"workspace": who.workspace, "at": who.at})
    return bool(found.scalar_one())


def _addressed(recogniser: Recogniser) -> Sweep:
    """Requests and test sends name an address of their own, whoever they are for."""
    key = {"send_key": "text"}
    blank = changing(_NO_WORD, key)
    forget = changing("DELETE FROM campaign.content", key)

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        await blank(tx, who, rows)
        await forget(tx, who, rows)

    return Read(
        "campaign.message",
        key,
        ("to_address",),
        recogniser,
        change,
        where="workspace = :workspace AND kind <> 'entry' AND to_address IS NOT NULL "
        f"AND planned_at < {BEFORE}",
        names=AND_AT,
    )


def _reported(recogniser: Recogniser) -> Sweep:
    """What was reported of messages to an address of theirs, whoever these were for."""
    key = {"send_key": "text", "kind": "text", "mark": "text"}
    return Read(
        "campaign.outcome",
        key,
        ("address", "text"),
        recogniser,
        changing("UPDATE campaign.outcome SET address = NULL, text = ''", key),
        where=f"workspace = :workspace AND address IS NOT NULL AND at < {BEFORE}",
        names=AND_AT,
    )


def _suppressions(recogniser: Recogniser) -> Sweep:
    key = {"address": "text", "purpose": "text"}
    return Read(
        "campaign.suppression",
        key,
        ("address AS asked", "profile_id"),
        recogniser,
        changing("DELETE FROM campaign.suppression", key),
        where=f"workspace = :workspace AND at < {BEFORE}",
        names=AND_AT,
    )


def _suppressed_addresses(recogniser: Recogniser) -> Sweep:
    """Nothing is known of where they were reached, so nothing goes there either."""
    key = {"address": "text", "channel": "text"}
    return Read(
        "campaign.suppressed_address",
        key,
        ("address AS asked",),
        recogniser,
        changing("DELETE FROM campaign.suppressed_address", key),
        where=f"workspace = :workspace AND at < {BEFORE}",
        names=AND_AT,
    )


def _reasons(recogniser: Recogniser, table: str, name: str, key: str, at: str) -> Sweep:
    """What operators wrote of the person about others: the row stays, without them."""
    table = f"campaign.{table}"
    covered = text(
        f"UPDATE {table} SET {name} = :said WHERE workspace = :workspace AND {name} = :had "
        f"AND {key} = :key"
    )

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            said = recogniser.without(who, row[-1])
            given = {"workspace": who.workspace, "key": row[0], "had": row[-1], "said": said}
            await tx.execute(covered, given)

    return Read(
        table,
        {key: "text"},
        (name,),
        recogniser,
        change,
        speaks=lambda row, who, known: known.is_mentioned(who, *row),
        where=f"workspace = :workspace AND {name} <> '' AND {at} < {BEFORE}",
        names=AND_AT,
    )


def _preferences(recogniser: Recogniser) -> Sweep:
    key = {"address": "text", "purpose": "text"}
    return Read(
        "campaign.preference",
        key,
        ("address AS asked", "profile_id"),
        recogniser,
        changing("DELETE FROM campaign.preference", key),
        where=f"workspace = :workspace AND at < {BEFORE}",
        names=AND_AT,
    )


def _preference_links(recogniser: Recogniser) -> Sweep:
    key = {"link_key": "text"}
    return Read(
        "campaign.preference_link",
        key,
        ("address", "profile_id"),
        recogniser,
        changing("DELETE FROM campaign.preference_link", key),
        where=f"workspace = :workspace AND created_at < {BEFORE}",
        names=AND_AT,
    )


def _opt_ins(recogniser: Recogniser) -> Sweep:
    key = {"opt_in_id": "text"}
    return Read(
        "campaign.opt_in",
        key,
        ("address", "profile_id"),
        recogniser,
        changing("DELETE FROM campaign.opt_in", key),
        where=f"workspace = :workspace AND asked_at < {BEFORE}",
        names=AND_AT,
    )


def _links(recogniser: Recogniser) -> Sweep:
    """A template may put what is known of a person into an address."""
    key = {"link_id": "text"}
    return Read(
        "campaign.link",
        key,
        ("url",),
        recogniser,
        changing("DELETE FROM campaign.link", key),
    )
