"""What `profile.trait` brings: the computed traits of workspaces; and what rules ask of them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import InvalidEvent
from rapport_common.events.trait import TraitDefinition
from rapport_common.kafka.batch import Record
from rapport_segment.domain import defined
from rapport_segment.domain.asked_patterns import patterns_of
from rapport_segment.domain.patterns import require_bounded
from rapport_segment.domain.tree import Rule
from rapport_segment.store import traits


async def on_trait(batch: Sequence[Record], tx: AsyncConnection) -> None:
    """Keep the newest version of each."""
    newest: dict[tuple[str, str], TraitDefinition] = {}
    for index, record in enumerate(batch):
        one: TraitDefinition = record.value
        if "\0" in one.workspace + one.name:
            raise InvalidEvent(index, "the character NUL stands in a name; it can't be stored")
        known = newest.get((one.workspace, one.name))
        if known is None or known.version < one.version:
            newest[one.workspace, one.name] = one
    await traits.save(tx, [newest[key] for key in sorted(newest)])


async def require_sensible(tx: AsyncConnection, workspace: str, rule: Rule) -> None:
    """Refuse a rule on computed traits that there are not, or that are something else, and one
    whose patterns cost too much: RuleError says where.
    """
    require_bounded(patterns_of(rule))
    asked = defined.leaves(rule)
    if asked:
        defined.check(asked, await traits.types(tx, workspace))
