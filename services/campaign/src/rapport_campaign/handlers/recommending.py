"""Recommendations: one contract for whoever makes them, and the one who is inside.

A recommender is asked for all people of a claim at once, and answers with what it would recommend.
The one inside reads what events have told: four statements, however many people it is asked for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_campaign import metrics
from rapport_campaign.domain.model import MessageKey, State
from rapport_campaign.domain.product_events import anchor_of
from rapport_campaign.domain.recommending import (
    WINDOWS,
    Fact,
    Past,
    Pick,
    Shelf,
    Slot,
    favourites,
    past_of,
    picked,
    shown,
)
from rapport_campaign.handlers.supplying import Asking, Supply
from rapport_campaign.store import product_events, products
from rapport_campaign.store import recommending as store
from rapport_campaign.store.recommending import Given
from rapport_common import clock

ROOT = "recommendations"
NOTHING = "nothing to recommend"
SPARE, MORE = 6, 30
"""So many more than are shown are looked at of what is bought with something, and of best sellers:
some are not sold, or were just bought.
"""
NOBODY = ""
"""The id of who is not known: they get what anybody may get."""
_NO_PROFILING = {"processing", "profiling"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is to be recommended something: people by profile id, None for who is not known.

    `exclude`: skus that are not to be among it, by profile id.
    """

    workspace: str
    slot: Slot
    people: Mapping[str, State | None]
    exclude: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Recommender(Protocol):
    """Who recommends products.

    It answers for everybody who was asked for, with at most `slot.n` products each, none twice,
    none that may not be shown or that its person has just bought, and raises nothing for people of
    whom nothing is known.
    """

    async def recommend(self, asked: Asked) -> Mapping[str, Sequence[Pick]]:
        """What it recommends, by profile id, the best first."""
        ...


class Inside(Recommender):
    """The one inside, in a transaction."""

    def __init__(self, tx: AsyncConnection) -> None:
        self._tx = tx

    @override
    async def recommend(self, asked: Asked) -> Mapping[str, Sequence[Pick]]:
        """What events say."""
        slot, workspace = asked.slot, asked.workspace
        pasts = await pasts_of(self._tx, asked, clock.now())
        partners = await store.partners(
            self._tx,
            workspace,
            {sku for past in pasts.values() for sku in past.bought}
            if "bought_together" in slot.strategies
            else (),
            slot.n + SPARE,
        )
        named = {sku for past in pasts.values() for sku in (*past.viewed, *past.bought)}
        named |= {one.sku for some in partners.values() for one in some}
        by_sku = await products.shown(self._tx, workspace, named)
        wanted = set(slot.categories)
        if "favourite_category" in slot.strategies:
            for past in pasts.values():
                wanted.update(favourites(past, by_sku, slot))
        best = await store.best(self._tx, workspace, slot.days, wanted, slot.n + MORE)
        shelf = Shelf(by_sku, partners, best)
        return {
            person: picked(slot, past, shelf, asked.exclude.get(person, frozenset()))
            for person, past in pasts.items()
        }


async def pasts_of(tx: AsyncConnection, asked: Asked, now: datetime) -> dict[str, Past]:
    """What those who are asked for did, as far as it counts; one statement for all of them.

    Of who objects to profiling nothing is looked at: they get what anybody may get.
    """
    anchors: dict[str, list[bytes]] = {
        person: _anchors(state) if state is not None and may_be_looked_at(state) else []
        for person, state in asked.people.items()
    }
    every = {anchor for some in anchors.values() for anchor in some}
    since = now - timedelta(days=max(WINDOWS))
    facts = await product_events.facts(tx, asked.workspace, every, since)
    return {
        person: past_of(_joined(facts, some), asked.slot, now) for person, some in anchors.items()
    }


def _joined(facts: Mapping[bytes, Sequence[Fact]], anchors: Iterable[bytes]) -> list[Fact]:
    """Those of several identifiers are of one person: the newest first."""
    found = [one for anchor in anchors for one in facts.get(anchor, ())]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _anchors(state: State) -> list[bytes]:
    return [anchor_of((one.kind, one.value)) for one in state.identifiers]


def may_be_looked_at(state: State) -> bool:
    """Whether somebody lets what they did say what they are recommended."""
    return not _NO_PROFILING & set(state.restraints)


async def supply(tx: AsyncConnection, asking: Sequence[Asking]) -> Supply:
    """What templates see under `recommendations`, for all messages of a claim.

    A message whose slot has nothing goes or not, as the slot says.
    """
    spoken = {one.key: {path[0] for path in one.paths if path} for one in asking}
    wanted = {(one.workspace, name) for one in asking for name in spoken[one.key]}
    slots = await store.slots(tx, wanted) if wanted else {}
    data: dict[MessageKey, dict[str, Any]] = {
        key: {name: [] for name in names} for key, names in spoken.items()
    }
    silent: dict[MessageKey, str] = {}
    given: list[Given] = []
    for (workspace, name), slot in sorted(slots.items()):
        some = [one for one in asking if one.workspace == workspace and name in spoken[one.key]]
        people = {_id(one): one.person.state if one.person else None for one in some}
        found = await Inside(tx).recommend(Asked(workspace, slot, people))
        for one in some:
            picks = found.get(_id(one), ())
            data[one.key][name] = shown(picks)
            if not picks and slot.when_empty == "suppress" and slot.provider == "inside":
                silent[one.key] = NOTHING
            given.append(Given(one.key, name, _id(one), picks))
    kept = {one.key for one in asking if one.kept} - silent.keys()
    await note(tx, [one for one in given if one.key in kept])
    return Supply(data, silent=silent)


async def note(tx: AsyncConnection, given: Sequence[Given]) -> None:
    """Keep what messages recommend, and count it."""
    counts: defaultdict[str, int] = defaultdict(int)
    for one in given:
        for pick in one.picks:
            counts[pick.reason] += 1
    for reason, number in counts.items():
        metrics.RECOMMENDED.labels(reason).inc(number)
    await store.keep(tx, [one for one in given if one.picks], clock.now())


def _id(one: Asking) -> str:
    return one.person.profile_id if one.person is not None else NOBODY
