"""Events of people who were forgotten since these were received: they count as refused."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.naming import Id
from rapport_profile.store.privacy import PRIVACY

Receipt = tuple[str, datetime]
"""(workspace, when it was received)"""


async def refused(
    tx: AsyncConnection, batch: Sequence[Receipt], named: Callable[[int], Sequence[Id]]
) -> set[int]:
    """The places of the events that name somebody who was forgotten after they were received.

    `named` gives the identifiers of the event at a place. One look tells when somebody was
    forgotten last. Mostly that is before anything of the batch was received, and nothing more is
    asked. Nobody is forgotten between it and the batch's commit (see `store.privacy.hold`).
    """
    newest = await PRIVACY.newest(tx, {workspace for workspace, _at in batch})
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
