"""Events of people who were forgotten since these were received: they count as refused."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, Retry
from rapport_profile.domain.naming import Id
from rapport_profile.store import portions
from rapport_profile.store.privacy import PRIVACY


class HalfForgottenError(ConflictError, Retry):
    """Of somebody who is being forgotten in portions a part is still there; it passes."""


Receipt = tuple[str, datetime]
"""(workspace, when it was received)"""


async def refused(
    tx: AsyncConnection, batch: Sequence[Receipt], named: Callable[[int], Sequence[Id]]
) -> set[int]:
    """The places of the events that name somebody who was forgotten after they were received.

    `named` gives the identifiers of the event at a place. One look tells when somebody was
    forgotten last. Mostly that is before anything of the batch was received, and nothing more is
    asked. Nobody is forgotten between it and the batch's commit (see `store.privacy.hold`).

    HalfForgottenError while another one names somebody large of whom a part is still there: it
    waits, as nobody is to see half a person.
    """
    newest = await PRIVACY.newest(tx, {workspace for workspace, _at in batch})
    if not newest:
        return set()
    named_to = lru_cache(maxsize=None)(named)
    late = await _late(tx, batch, named_to, newest)
    busy = await portions.under_way(tx, newest)
    rest = {place for place, (workspace, _at) in enumerate(batch) if workspace in busy} - late
    await require_whole(tx, {(batch[one][0], id_) for one in rest for id_ in named_to(one)})
    return late


async def require_whole(tx: AsyncConnection, wanted: Collection[tuple[str, Id]]) -> None:
    """HalfForgottenError while an identifier (workspace, id) is of somebody large who goes."""
    if await portions.concerned(tx, wanted):
        message = "Somebody large is being forgotten who has one of these identifiers: try later."
        raise HalfForgottenError(message)


async def _late(
    tx: AsyncConnection,
    batch: Sequence[Receipt],
    named: Callable[[int], Sequence[Id]],
    newest: Mapping[str, datetime],
) -> set[int]:
    doubted = {
        place: [(workspace, digits(one)) for one in named(place)]
        for place, (workspace, received_at) in enumerate(batch)
        if workspace in newest and received_at < newest[workspace]
    }
    if not doubted:
        return set()
    erased = await PRIVACY.erased(tx, {one for keys in doubted.values() for one in keys})
    return {
        place
        for place, keys in doubted.items()
        if any(one in erased and batch[place][1] < erased[one] for one in keys)
    }


def digits(id_: Id) -> str:
    """An identifier's id as it stands on `privacy`."""
    return id_.replace("-", "")


def all_digits(ids: Collection[Id]) -> frozenset[str]:
    """The same of several."""
    return frozenset(map(digits, ids))
