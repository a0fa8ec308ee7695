"""A rule is held against people who are drawn by chance, for as long as there is time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random, SystemRandom
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain.funnel import Tallied
from rapport_segment.domain.membership import Person
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import Rulebook
from rapport_segment.domain.sampling import Interval, Trial, fitting_of, population, scaled
from rapport_segment.handlers.correcting import Law
from rapport_segment.store import people, samples
from rapport_segment.store.limits import OutOfTimeError, Timer, limited
from rapport_segment.store.turns import in_turns

SECONDS = 1.5
"""So long people are drawn and judged."""
COUNT_SECONDS = 0.5
"""So long it is counted how many there are; else what is drawn tells that, too."""
LEAST_SECONDS = 0.01
"""With less left nothing is begun."""

ALL_OF = 20_000
"""Of so many people the ids are read, and some of them are drawn."""
MOST = 10_000
"""So many are judged: then an interval is 2 % wide at the most."""
AHEAD = 1000
"""So many are drawn at once."""
IN_A_CELL = 4
"""Anchors, on average: each stretch costs one look into the index."""

FIRST, LARGEST = 10, 400
"""People who are judged at once: at first, and when that goes quickly."""
PIECE_SECONDS = 0.1
"""A piece that takes less than half of it is followed by one of twice as many."""
FEWER = 8
"""A piece that takes too long is tried again with so many times fewer: leaving out who takes long
would be unfair.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample makes of everybody. `tallied`: of all, but that it is of nobody if nobody
    could be judged. `sampled` were judged; `everybody`: how many there are, `interval`: how many of
    them the rule fits, None where nothing is known. `shown` are some of those whom it fits.
    """

    tallied: Tallied
    sampled: int
    everybody: int | None
    interval: Interval | None
    shown: Sequence[View]

    @property
    def is_whole(self) -> bool:
        """Whether everybody was judged in the end: then it is a count."""
        return self.everybody is not None and self.sampled == self.everybody


@dataclass(slots=True)
class _Drawing:
    """People of one workspace in an order that is left to chance.

    Of few people `ids` has all, and `everybody` says how many they are. Of many `ids` are those
    that were drawn: by stretches of their anchors, of which `order` has those that are to come.
    """

    ids: list[UUID]
    everybody: int | None = None
    order: list[int] = field(default_factory=list)
    cells: int = 0
    used: int = 0
    taken: int = 0

    @property
    def population(self) -> Interval | None:
        """How many people there are."""
        if self.everybody is not None:
            return Interval(self.everybody, self.everybody)
        if not self.used:
            return None
        return population(len(self.ids), self.used / self.cells)

    @property
    def number(self) -> int | None:
        """About how many people there are."""
        if self.everybody is None and self.used:
            return round(len(self.ids) * self.cells / self.used)
        return self.everybody

    async def next(self, tx: AsyncConnection, workspace: str, size: int) -> list[UUID]:
        """So many, as long as there are some."""
        while self.taken == len(self.ids) and self.used < len(self.order):
            numbers = self.order[self.used : self.used + AHEAD // IN_A_CELL]
            cells = [samples.cell(one, self.cells) for one in numbers]
            self.ids += await samples.in_cells(tx, workspace, cells)
            self.used += len(numbers)
        return self.ids[self.taken : self.taken + size]


async def estimated(
    tx: AsyncConnection,
    workspace: str,
    trial: Trial,
    now: datetime,
    *,
    chance: Random | None = None,
    timer: Timer = time.monotonic,
) -> Estimate:
    """What a rule comes to among people who are drawn by `chance`, judged one after the other as a
    build judges them, for 1.5 s. What time is left for no more is left out, whoever that is.
    """
    drawing = await _begun(tx, workspace, chance or SystemRandom(), timer)
    if drawing is None:
        return Estimate(trial.tallied, 0, None, None, ())
    until, size = timer() + SECONDS, FIRST
    while (left := until - timer()) > LEAST_SECONDS and trial.sampled < MOST:
        began = timer()
        try:
            async with limited(tx, left / 2, timer) as limit:
                ids = await drawing.next(tx, workspace, size)
                await limit.renew()
                looked_at = await views(tx, workspace, trial, ids, now)
        except OutOfTimeError:
            size = max(1, size // FEWER)
            continue
        if not ids:
            break
        drawing.taken += len(ids)
        async for view in in_turns(tx, looked_at):
            if timer() > until:
                break
            trial.add(view)
        size = _next_size(size, timer() - began)
    return _made_of(trial, drawing)


def _next_size(size: int, seconds: float) -> int:
    if seconds > PIECE_SECONDS:
        return max(1, size // 2)
    return min(LARGEST, size * 2) if seconds < PIECE_SECONDS / 2 else size


async def _begun(
    tx: AsyncConnection, workspace: str, chance: Random, timer: Timer
) -> _Drawing | None:
    """Whom to draw from; None if there is no time to find that out."""
    try:
        async with limited(tx, SECONDS, timer):
            ids = await samples.some(tx, workspace, ALL_OF + 1)
    except OutOfTimeError:
        return None
    if len(ids) <= ALL_OF:
        chance.shuffle(ids)
        return _Drawing(ids, everybody=len(ids))
    try:
        async with limited(tx, SECONDS, timer):
            cells = max(1, round(await samples.anchors(tx, workspace) / IN_A_CELL))
    except OutOfTimeError:
        return None
    order = chance.sample(range(cells), min(cells, 2 * MOST))
    drawing = _Drawing([], None, order, cells)
    try:
        async with limited(tx, COUNT_SECONDS, timer):
            drawing.everybody = await samples.everybody(tx, workspace)
    except OutOfTimeError:
        pass  # How many are in the stretches that are drawn says it, too.
    return drawing


async def views(
    tx: AsyncConnection, workspace: str, trial: Trial, ids: Sequence[UUID], now: datetime
) -> list[View]:
    """These people with all that the rule looks at, in their order."""
    tried = trial.definition
    some = await people.some(tx, workspace, ids, trial.reads)
    some = await Law(Rulebook([tried]), [tried], now).known(tx, workspace, some)
    members = await _members(tx, some) if tried.named else {}
    return [View(one.facts, now, members.get(one.profile_id, ())) for one in some]


async def _members(tx: AsyncConnection, some: Sequence[Person]) -> dict[UUID, list[UUID]]:
    """In which segments these people are."""
    found: dict[UUID, list[UUID]] = {}
    by_key = {(one.workspace, str(one.profile_id)): one for one in some}
    for entry in await people.open_entries(tx, by_key):
        found.setdefault(entry.profile_id, []).append(entry.segment_id)
    return found


def _made_of(trial: Trial, drawing: _Drawing) -> Estimate:
    """What it makes of everybody."""
    tallied, bounds, number = trial.tallied, drawing.population, drawing.number
    if bounds is None or number is None:
        return Estimate(tallied, trial.sampled, None, None, trial.shown)
    number = max(number, trial.sampled)
    interval = fitting_of(tallied.fitting, trial.sampled, bounds)
    whole = scaled(tallied, number) if trial.sampled else tallied
    return Estimate(whole, trial.sampled, number, interval, trial.shown)
