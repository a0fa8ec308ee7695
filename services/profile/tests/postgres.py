"""What is stored of people in Postgres, and what has been told of it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
from services.profile.tests.follower import followed, state
from services.profile.tests.people import IDS, Content, content
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.emptying import wiped
from tests.support.outbox import waiting
from tests.support.waiting import between_looks

from rapport_common.db import is_retriable
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event, Identifier
from rapport_common.kafka.batch import Record
from rapport_profile.domain.folding import merge
from rapport_profile.domain.merge_rules import USUAL, RuleBook
from rapport_profile.handlers import events as handlers
from rapport_profile.store import reads


def records(history: Sequence[Event]) -> list[Record]:
    """A batch."""
    return [Record("events", 0, at, b"", one) for at, one in enumerate(history)]


async def feed(engine: AsyncEngine, history: Sequence[Event], book: RuleBook = USUAL) -> None:
    """One batch, tried again when the database says so, as the consumer loop does."""
    while True:
        try:
            async with engine.begin() as tx:
                await handlers.on_events(IDS, records(history), tx, book=book)
        except Exception as error:
            if not is_retriable(error):
                raise
            await between_looks()
        else:
            return


async def known(tx: AsyncConnection) -> Content:
    """What is stored of everybody."""
    rows = await tx.execute(text("SELECT id FROM profile.profile WHERE merged_into IS NULL"))
    states = []
    for row in rows.fetchall():
        members = await reads.members(tx, "w", row.id)
        if members:
            named = ((kind, value) for kind, value, _ in members)
            states.append(state(named, merge(one[2] for one in members)))
    return content(states)


async def told(tx: AsyncConnection) -> Content:
    """What a reader of profile.activity knows at the end."""
    rows = await waiting(tx, "profile", "profile.activity")
    records = [msgspec.json.decode(row.value, type=ProfileActivity) for row in rows]
    return content(followed(records).states())


Hubs = dict[tuple[str, str], Identifier]
"""The identifiers by which events are applied, by (source, message id)."""


async def hubs_told(tx: AsyncConnection) -> Hubs:
    """By what each event is applied for who takes its last form, wherever that is told."""
    forms: dict[tuple[str, str], tuple[int, Identifier]] = {}
    for row in await waiting(tx, "profile", "profile.activity"):
        record = msgspec.json.decode(row.value, type=ProfileActivity)
        if (event := record.event) is not None:
            form = (record.replaced, record.hub or event.identifiers[0])
            key = (event.source, event.message_id)
            former = forms.get(key, form)
            # Two that differ can be told apart by their numbers.
            assert former[0] != form[0] or former == form
            forms[key] = max(former, form)
    return {key: hub for key, (_number, hub) in forms.items()}


async def hubs_stored(tx: AsyncConnection) -> Hubs:
    """Under what each event is stored."""
    rows = await tx.execute(
        text(
            "SELECT t.source, t.message_id, i.kind, i.value FROM profile.timeline t "
            "JOIN profile.identifier i ON (i.workspace, i.id) = (t.workspace, t.identifier_id)"
        )
    )
    return {(row.source, row.message_id): (row.kind, row.value) for row in rows}


TABLES = [
    "identifier",
    "link",
    "profile",
    "inbox",
    "timeline",
    "outbox_batch",
    "tally",
    "overflow",
    "rules",
    "job",
    "decision",
    "erased",
    "erasure",
    "privacy_request",
    "privacy_receipt",
    "search",
    "search_due",
    "restraint",
    "rectification",
    "consent_fact",
    "computed_trait",
    "computed_state",
    "computed_expired",
    "loyalty_programme",
    "loyalty_fact",
    "loyalty_operation",
    "loyalty_entry",
    "loyalty_member",
    "loyalty_checkpoint",
    "loyalty_lot",
    "loyalty_subject",
    "due",
    "group_profile",
    "group_fact",
    "group_member",
    "group_told",
]


async def wipe(engine: AsyncEngine) -> None:
    """Nothing is stored."""
    await wiped(engine, (f"profile.{table}" for table in TABLES))


def in_thread(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in a thread with a loop of its own: hypothesis calls from the session's loop."""
    failures: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            failures.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
