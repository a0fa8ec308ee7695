"""What apps show to their users: put in by the workspace, read by whoever has a token."""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.inbox import MOST_ITEMS, Bearer, InboxItem
from rapport_campaign.store import inbox as store
from rapport_campaign.store import people
from rapport_common.errors import NotFoundError


async def whose(tx: AsyncConnection, bearer: Bearer) -> tuple[str, str]:
    """Who has a token now: after merges the heir."""
    key = (bearer.workspace, bearer.profile_id)
    return bearer.workspace, (await people.resolve(tx, [key]))[key]


async def require_person(tx: AsyncConnection, workspace: str, profile_id: str) -> str:
    """The id that a profile has now; NotFoundError where nobody is known by it."""
    key = (workspace, profile_id)
    now = (await people.resolve(tx, [key]))[key]
    person = (await people.load(tx, [(workspace, now)])).get((workspace, now))
    if person is None or person.state is None:
        message = f"There is no profile {profile_id} in workspace {workspace}."
        raise NotFoundError(message)
    return now


async def put_all(tx: AsyncConnection, items: Sequence[InboxItem]) -> None:
    """Put items into inboxes; one that is there already stays as it is."""
    for one in items:
        await store.add(tx, one, MOST_ITEMS)


async def require(tx: AsyncConnection, workspace: str, item_id: str) -> InboxItem:
    """An item of the workspace; NotFoundError."""
    with suppress(ValueError):
        found = await store.find(tx, workspace, str(UUID(item_id)))
        if found is not None:
            return found
    message = f"There is no inbox item {item_id!r} in this workspace."
    raise NotFoundError(message)
