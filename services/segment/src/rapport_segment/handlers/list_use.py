"""Which rules name which lists: a rule names living ones only, and a list that is named stays."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.subjects import InList
from rapport_segment.domain.tree import Leaf, Rule, leaves
from rapport_segment.handlers.rulebooks import understood
from rapport_segment.store import definitions, lists
from rapport_segment.store.definitions import Stored
from rapport_segment.store.lists import KeptList


def named_lists(rule: Rule) -> list[tuple[Leaf, UUID]]:
    """The comparisons of a rule that name lists, with their ids."""
    return [
        (leaf, UUID(leaf.subject.id)) for leaf in leaves(rule) if isinstance(leaf.subject, InList)
    ]


async def require_lists(tx: AsyncConnection, workspace: str, rule: Rule) -> None:
    """RuleError if a rule names a list that there is not, or that is archived."""
    named = named_lists(rule)
    if not named:
        return
    there = await lists.living(tx, workspace, {to for _leaf, to in named})
    for leaf, to in named:
        if to not in there:
            place = f"{leaf.path}.list" if leaf.path else "list"
            raise RuleError(place, f"there is no list {to} that is not archived")


async def users_of(tx: AsyncConnection, one: KeptList) -> list[Stored]:
    """The segments, not archived, whose rules name a list."""
    return [
        stored
        for stored in await definitions.resting(tx, one.workspace, on="list")
        if (rule := understood(stored)) is not None
        and any(to == one.list_id for _leaf, to in named_lists(rule))
    ]


async def require_unlisted(tx: AsyncConnection, one: KeptList) -> None:
    """ConflictError while the rule of a segment names a list."""
    users = await users_of(tx, one)
    if users:
        names = ", ".join(repr(user.name) for user in users[:5])
        message = (
            f"{len(users)} segments ask for the list {one.name!r}: {names}. Change or archive "
            "them first."
        )
        ids = [str(user.segment_id) for user in users[:100]]
        raise ConflictError(message, code="in_use", details={"used_by": ids})
