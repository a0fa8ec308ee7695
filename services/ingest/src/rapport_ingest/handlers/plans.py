"""Plans as operators keep them: replaced as a whole, compared, tested, drafted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import NotFoundError
from rapport_common.events.envelope import EventType
from rapport_common.paths import inner_element
from rapport_ingest.domain.catalogue import drafted, is_masked
from rapport_ingest.domain.plan import (
    MAX_ENTRIES,
    Difference,
    Plan,
    PlannedEvent,
    Violation,
    check_entries,
    difference,
    part_of,
)
from rapport_ingest.domain.source import Caller
from rapport_ingest.store import catalogue, plans
from rapport_ingest.store.catalogue import Catalogued

FIRST_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Tested:
    """An event of the catalogue, and what its example breaks; None: the plan does not have it."""

    entry: Catalogued
    violations: list[Violation] | None


async def current(tx: AsyncConnection, caller: Caller) -> list[PlannedEvent]:
    """A source's plan; NotFoundError when there is no such source."""
    found = await plans.plan_of(tx, caller)
    if found is None:
        raise _no_source(caller)
    return found


async def replace(
    tx: AsyncConnection, caller: Caller, entries: Sequence[PlannedEvent]
) -> Difference:
    """Put a plan in the place of the old one, and say what that changed.

    InvalidRequestError names the part of a schema that is wrong; nothing is changed then.
    """
    check_entries(entries)
    if not await plans.lock(tx, caller):
        raise _no_source(caller)
    changes = difference(await current(tx, caller), entries)
    if changes:
        await plans.replace(tx, caller, entries)
    return changes


async def tested(
    tx: AsyncConnection, caller: Caller, entries: Sequence[PlannedEvent]
) -> tuple[Difference, list[Tested]]:
    """What a plan would change, and what the examples of the catalogue break of it."""
    check_entries(entries)
    changes = difference(await current(tx, caller), entries)
    plan = Plan(entries)
    seen = await _catalogued(tx, caller, None, None)
    return changes, [Tested(one, _broken(plan, one)) for one in seen]


def _broken(plan: Plan, entry: Catalogued) -> list[Violation] | None:
    """What the example breaks, but for the values that are masked or cut in it."""
    kind = cast("EventType", entry.key.type)
    example = entry.learnt.example or {}
    payload = example.get(part_of(kind), {})
    found = plan.check(kind, entry.key.name, None, payload)
    if found is None or not example:
        return None if found is None else []
    return [one for one in found if not is_masked(inner_element(example, one.way))]


async def draft(
    tx: AsyncConnection, caller: Caller, kind: str | None, name: str | None
) -> list[PlannedEvent]:
    """A plan as traffic suggests it, for all events of a source or those named."""
    await current(tx, caller)
    return [
        PlannedEvent(
            cast("EventType", one.key.type),
            one.key.name,
            FIRST_VERSION,
            drafted(one.learnt.shape, part_of(cast("EventType", one.key.type))),
        )
        for one in await _catalogued(tx, caller, kind, name)
    ]


async def _catalogued(
    tx: AsyncConnection, caller: Caller, kind: str | None, name: str | None
) -> list[Catalogued]:
    """The entries of a source that stand for one event: not `(other)`."""
    found = await catalogue.entries(
        tx, caller.workspace, source=caller.source, kind=kind, name=name, limit=MAX_ENTRIES
    )
    return [one for one in found if one.key.type in get_args(EventType)]


def _no_source(caller: Caller) -> NotFoundError:
    message = f"There is no source '{caller.source}'. `rapport source list` shows them."
    return NotFoundError(message, details={"source": caller.source})
