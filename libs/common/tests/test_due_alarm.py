"""When the worker looks next: in time for what it knows of, and no more often than its pace."""

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.due.alarm import Alarm

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLL, PACE = 8.0, 2.0
STEPS = st.lists(
    st.tuples(st.sampled_from(["ring", "ring now", "turn", "more"]), st.integers(-5, 20)),
    max_size=12,
)


class Clock:
    """Seconds of this process, and the database's time, which was noon at 100."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def at(self, seconds: float) -> datetime:
        return NOON + timedelta(seconds=seconds - 100)


def turn(alarm: Alarm, clock: Clock, first: float | None = None, *, more: bool = False) -> None:
    """A turn that takes no time and sees the `first` row that waits."""
    alarm.begin()
    alarm.saw(clock.at(clock.seconds), None if first is None else clock.at(first))
    alarm.rest(more=more)


@given(STEPS, st.integers(1, 4))
def test_what_is_known_of_is_looked_at_in_time(steps: list[tuple[str, int]], tick: int) -> None:
    """Beside a model: when it is due, unless the last turn was just now; by the poll at the least,
    and at once after a turn that left more.
    """
    clock = Clock()
    alarm = Alarm(poll=POLL, pace=PACE, now=clock)
    assert alarm.seconds() == 0
    turn(alarm, clock)
    ended, due, more = clock.seconds, clock.seconds + POLL, False
    for what, number in steps:
        if what == "ring":
            alarm.ring(clock.at(clock.seconds + number))
            due = min(due, clock.seconds + number)
        elif what == "ring now":
            alarm.ring(None)
            due = float("-inf")
        else:
            first, more = clock.seconds + number, what == "more"
            turn(alarm, clock, first, more=more)
            ended, due = clock.seconds, min(first, clock.seconds + POLL)
        expected = 0.0 if more else max(ended + PACE, due) - clock.seconds
        assert alarm.seconds() == max(0.0, expected)
        clock.seconds += tick


def test_what_rings_during_a_turn_is_not_forgotten() -> None:
    clock = Clock()
    alarm = Alarm(poll=POLL, pace=PACE, now=clock)
    alarm.begin()
    alarm.ring(clock.at(clock.seconds))
    alarm.saw(clock.at(clock.seconds), None)
    clock.seconds += 1
    alarm.ring(clock.at(clock.seconds + 4))
    alarm.rest()
    assert alarm.seconds() == PACE
    turn(alarm, clock)
    assert alarm.seconds() == POLL


async def test_who_waits_is_called() -> None:
    alarm, stop = Alarm(poll=3600, pace=0.0), asyncio.Event()
    alarm.begin()
    alarm.saw(NOON, None)
    alarm.rest()
    async with asyncio.TaskGroup() as group:
        group.create_task(alarm.wait(stop))
        await asyncio.sleep(0)
        alarm.ring(NOON)
    alarm.rest()
    alarm.begin()
    alarm.rest()
    async with asyncio.TaskGroup() as group:
        group.create_task(alarm.wait(stop))
        await asyncio.sleep(0)
        stop.set()
    assert alarm.seconds() > 0
