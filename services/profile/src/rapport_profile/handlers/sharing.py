"""Which shared identifiers of a batch may be shared no longer: see `domain.sharing`."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.sharing import Told, in_question, is_shared_still, pairs_with
from rapport_profile.domain.working_set import WorkingSet
from rapport_profile.store import lookups, people
from rapport_profile.store.people import Scoped


async def maybe_shared_no_more(
    tx: AsyncConnection, working: WorkingSet, told: Sequence[Told]
) -> set[Scoped]:
    """Shared identifiers around which all has to be looked at, in workspaces with windows.

    What the events name is loaded and locked.
    """
    shared = {
        one.id: one
        for one in working.nodes.values()
        if one.shared and working.book.of(one.workspace).windows
    }
    if not shared:
        return set()
    keys = pairs_with(shared.keys(), told)
    ends = {(working.nodes[key[0]].workspace, key) for key in keys}
    await people.load_links(tx, working, ends)
    asked = [
        (shared[one].workspace, one) for one in sorted(in_question(working, shared.keys(), told))
    ]
    if not asked:
        return set()
    near = await lookups.near(tx, asked)
    return {
        (workspace, one)
        for workspace, one in asked
        if not is_shared_still(
            one, shared[one].kind, near.get(one, {}), told, working.book.of(workspace)
        )
    }
