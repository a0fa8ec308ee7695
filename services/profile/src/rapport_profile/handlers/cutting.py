"""An event that names others by mistake: what it says of who is who counts no more.

What else it says stays: it is folded into its strongest identifier as before.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.events.activity import ProfileActivity
from rapport_profile.domain.naming import Id, Names
from rapport_profile.domain.recounting import Page
from rapport_profile.handlers.rebuilding import rebuilt
from rapport_profile.store import decisions, inbox

Key = tuple[str, str, str]
"""(workspace, source, message id)"""


async def held(tx: AsyncConnection, key: Key) -> Id:
    """Hold an event, so that no copy takes its place meanwhile; its strongest identifier."""
    copy = await inbox.find(tx, key)
    if copy is None:
        _workspace, source, message_id = key
        message = f"There is no event '{message_id}' of source '{source}' in this workspace."
        raise NotFoundError(message, details={"source": source, "message_id": message_id})
    return copy.identifier_id


async def require_naming_others(tx: AsyncConnection, names: Names, key: Key, hub: Id) -> None:
    """Refuse what names one identifier only, is cut already, or is not there to be looked at."""
    workspace, source, message_id = key
    details = {"source": source, "message_id": message_id}
    if key in names.cuts:
        message = f"Event '{message_id}' is cut already: `/v1/decisions` says by whom."
        raise ConflictError(message, details=details)
    event = await inbox.on_timeline(tx, key, hub)
    if event is None:
        message = (
            f"Event '{message_id}' is older than timelines are kept, and what it named is not "
            "known any more: keep the two identifiers apart instead."
        )
        raise ConflictError(message, details=details)
    named = names.of(event)
    if named is None or not names.links(workspace, named):
        message = f"Event '{message_id}' names one identifier only: it joins nobody."
        raise ConflictError(message, details=details)


async def recounted(
    tx: AsyncConnection, names: Names, workspace: str, hub: Id
) -> list[ProfileActivity]:
    """Find out anew what an identifier's events say of who is who; what has changed.

    The events that are cut now are read here, with what this transaction has written.
    """
    knowing = names.knowing(await decisions.cuts(tx, workspace))
    _report, steps = await rebuilt(tx, knowing, Page(workspace, [hub]))
    return steps
