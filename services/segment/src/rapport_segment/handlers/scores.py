"""What `profile.scores` brings: scores that models of others have published are conditions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.follower.domain import Key
from rapport_common.follower.follower import Batch
from rapport_common.kafka.batch import Record
from rapport_common.scores.domain import Named, Published, newest, said
from rapport_segment import metrics
from rapport_segment.domain.membership import Change
from rapport_segment.domain.rfm import RFM
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.domain.sections import ALL_SECTIONS
from rapport_segment.domain.stays import Stays
from rapport_segment.domain.values import normal_text
from rapport_segment.handlers.happenings import EventReading
from rapport_segment.handlers.ledger import tally
from rapport_segment.handlers.passing import ahead
from rapport_segment.handlers.publish import publish
from rapport_segment.handlers.rolls import with_rolls
from rapport_segment.handlers.rulebooks import Rulebooks
from rapport_segment.store import entries, people, scores
from rapport_segment.store.due import DUE
from rapport_segment.store.published_scores import PUBLISHED


class Scored:
    """Keeps scores, and judges whom they are of by the rules that ask for them."""

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        self._rulebooks = Rulebooks({})

    async def on_scores(self, batch: Sequence[Record], tx: AsyncConnection) -> None:
        """Keep the newest of each; nobody's definitions change meanwhile.

        People are locked before: who judges them by a record has read the former scores, and is
        done, or reads these.
        """
        told = newest(await self._now_ids(tx, _read(batch)))
        if not told:
            return
        in_force = await self._rulebooks.in_force(tx, sorted({one.workspace for one in told}))
        asked = {one.key[:2] for one in told if _is_asked(in_force, one)}
        wanted = dict.fromkeys(asked, ALL_SECTIONS)
        held, stored = await people.FOLLOWER.store.lock(tx, wanted, reads=True)
        former = await scores.of_people(tx, asked)
        news = _by_person(told, await PUBLISHED.save(tx, told))
        concerned = {key: one for key, one in held.items() if key in news and one.known}
        batch_of = Batch(people.FOLLOWER.following(concerned), stored)
        persons = await with_rolls(tx, await people.loaded(tx, batch_of), in_force)
        now = self._now()
        kept = await EventReading(in_force, now).read(tx, (), persons)
        stays = Stays(in_force, persons, now, kept)
        changes: list[Change] = []
        for key in sorted(persons):
            changes += stays.scored(key, news[key], former.get(key, {}))
        metrics.JUDGED.inc(len(stays.judged))
        await entries.save_entries(tx, stays)
        await tally(tx, changes)
        await publish(tx, [(change, None) for change in changes])
        await DUE.schedule(tx, ahead(stays.people.values()), sooner=True)

    async def _now_ids(self, tx: AsyncConnection, some: Sequence[Published]) -> list[Published]:
        """The same, under the ids that these people have now."""
        keys = {one.key[:2] for one in some}
        heirs = await people.FOLLOWER.store.resolve(tx, keys) if keys else {}
        return [replace(one, profile_id=heirs[one.key[:2]]) for one in some]


def _read(batch: Sequence[Record]) -> list[Published]:
    """What they say, but for RFM's scores, which are kept where they are worked out; texts are as
    rules compare them.
    """
    return [
        replace(one, value=normal_text(one.value)) if isinstance(one.value, str) else one
        for one in said(batch)
        if not one.name.startswith(RFM)
    ]


def _by_person(
    told: Sequence[Published], changed: Collection[Named]
) -> dict[Key, dict[str, datetime]]:
    """The scores that are others, by person and name, with their instants."""
    found: dict[Key, dict[str, datetime]] = {}
    for one in told:
        if one.key in changed:
            found.setdefault(one.key[:2], {})[one.name] = one.as_of
    return found


def _is_asked(in_force: Mapping[str, Rulebook], one: Published) -> bool:
    rules = in_force.get(one.workspace)
    return rules is not None and one.name in rules.scores
