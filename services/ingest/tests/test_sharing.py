"""How busy connections are shared: evenly in the end, and without moving them for nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_ingest.domain.sharing import MOST, ROUNDS, Balance

HISTORY = 60


def turns(balance: Balance, busy: dict[int, int], count: int = ROUNDS) -> list[dict[int, int]]:
    return [balance.turn(busy) for _ in range(count)]


def settle(busy: dict[int, int], *, lost: int = 0) -> tuple[dict[int, int], int]:
    """(how many each has in the end, how many were moved) when all that are sent away return."""
    balance, moved = Balance(), 0
    for _ in range(HISTORY):
        away = 0
        for process, count in balance.turn(dict(busy)).items():
            busy[process] -= count
            away += count
        moved += away
        for _ in range(max(0, away - lost)):
            first = min(busy, key=lambda one: (not balance.is_owed(one), busy[one]))
            balance.given(first)
            busy[first] += 1
    return busy, moved


def test_a_process_that_returns_gets_its_share() -> None:
    assert turns(Balance(), {0: 64, 1: 0}) == [{}, {}, {0: 32}]
    assert settle({0: 64, 1: 0}) == ({0: 32, 1: 32}, 32)
    assert settle({0: 2, 1: 0}) == ({0: 1, 1: 1}, 1)


def test_a_start_with_everybody_at_one_process_is_evened_out_in_steps() -> None:
    assert turns(Balance(), {0: 1024, 1: 0})[-1] == {0: MOST}
    found = sorted(settle({0: 1024, 1: 0, 2: 0})[0].values())
    assert sum(found) == 1024
    assert found[-1] - found[0] <= 2


def test_nobody_is_sent_away_for_a_small_or_a_passing_difference() -> None:
    assert turns(Balance(), {0: 35, 1: 29}, 20) == [{}] * 20
    assert turns(Balance(), {0: 2, 1: 1}, 20) == [{}] * 20
    assert turns(Balance(), {0: 40}, 20) == [{}] * 20
    balance = Balance()
    passing = [
        balance.turn({0: 64, 1: 0} if turn % ROUNDS else {0: 32, 1: 32}) for turn in range(30)
    ]
    assert passing == [{}] * 30


def test_those_that_stay_away_are_not_waited_for_without_end() -> None:
    balance = Balance()
    turns(balance, {0: 64, 1: 0})
    assert balance.is_owed(1)
    turns(balance, {0: 32, 1: 0}, 10)
    assert not balance.is_owed(1) or balance.turn({0: 32, 1: 0}) == {}
    found = settle({0: 64, 1: 0}, lost=1)[0]
    assert max(found.values()) - min(found.values()) <= 4


def test_a_process_that_is_gone_is_owed_nothing() -> None:
    balance = Balance()
    turns(balance, {0: 64, 1: 0})
    balance.turn({0: 64})
    assert not balance.is_owed(1)


@settings(max_examples=examples(200))
@given(st.lists(st.integers(0, 400), min_size=2, max_size=6))
def test_it_evens_out_and_comes_to_rest(counts: list[int]) -> None:
    busy, moved = settle(dict(enumerate(counts)))
    share = sum(counts) / len(counts)
    assert sum(busy.values()) == sum(counts)
    assert all(one < share + max(1, share / 8) for one in busy.values())
    assert moved <= sum(max(0, one - share) for one in counts) + len(counts)
    assert turns(Balance(), busy) == [{}] * ROUNDS


def test_a_connection_that_nobody_is_owed_is_nothing_paid_back() -> None:
    balance = Balance()
    balance.given(0)
    assert not balance.is_owed(0)
    turns(balance, {0: 64, 1: 0})
    assert balance.is_owed(1)
