"""Work gathers under a steady flow, and what comes after a rest is done at once."""

from hypothesis import given
from hypothesis import strategies as st

from rapport_common.pace import Pace

SECONDS = 0.02


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def paced() -> tuple[Pace, Clock]:
    clock = Clock()
    return Pace(SECONDS, clock, clock.sleep), clock


async def test_the_first_turn_is_at_once() -> None:
    pace, clock = paced()
    await pace.wait()
    assert clock.now == 100.0


async def test_a_turn_waits_for_the_rest_of_the_pace() -> None:
    pace, clock = paced()
    pace.start()
    clock.now += 0.005
    await pace.wait()
    assert clock.now == 100.0 + SECONDS


async def test_after_a_full_turn_the_next_follows_at_once() -> None:
    pace, clock = paced()
    pace.start(full=True)
    await pace.wait()
    assert clock.now == 100.0


@given(st.lists(st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)), max_size=30))
async def test_turns_keep_their_distance_and_nobody_waits_longer(
    course: list[tuple[float, float]],
) -> None:
    """`course`: how long each turn takes, and how long there is nothing to do after it."""
    pace, clock = paced()
    last = None
    for took, idle in course:
        came = clock.now
        await pace.wait()
        waited = clock.now - came
        assert waited <= SECONDS + 1e-9
        pace.start()
        assert last is None or clock.now - last >= SECONDS - 1e-9
        last = clock.now
        clock.now += took + idle
