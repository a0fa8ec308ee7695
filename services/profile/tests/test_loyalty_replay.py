"""Points follow what is known: any order, copies, refunds; held against points counted singly."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.loyal import (
    Counted,
    cancelled,
    day,
    facts,
    one_by_one,
    order,
    programme,
    redeem,
    refund,
    since_ever,
)

from rapport_common.events.envelope import Event
from rapport_profile.domain.loyalty import ledger
from rapport_profile.domain.loyalty.account import MissingError, Rest
from rapport_profile.domain.loyalty.calendar import FAR
from rapport_profile.domain.loyalty.ledger import Key
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.loyalty.replay import Replay, replay
from rapport_profile.domain.loyalty.standing import Expiring, Standing

NAMES = ["Order Completed", "Order Completed", "Order Updated", "Order Refunded", "Order Cancelled"]
LASTS, NOW = 5, 14
YEARLY = programme(expiry={"days": LASTS})
TIERED = programme(
    expiry={"days": LASTS, "inactive": True, "spared": ["gold"]},
    pending_days=1,
    multipliers=[{"id": "gold", "factor": "1.5", "tiers": ["gold"]}],
    tiers={
        "measure": "points",
        "window": {"days": 6},
        "grace_days": 1,
        "levels": [{"id": "green", "threshold": "0"}, {"id": "gold", "threshold": "12"}],
    },
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Few orders, of which everything is told in every order."""
    said = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NAMES), st.sampled_from("123"), st.integers(0, 9), st.integers(0, 9)
            ),
            max_size=12,
        )
    )
    return [
        order(f"m{place:02}", number, name=name, on=on, total=total)
        for place, (name, number, on, total) in enumerate(said)
    ]


@st.composite
def requests(draw: st.DrawFn) -> list[Operation]:
    """Points are spent, whether there are any or not."""
    asked = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(0, NOW)), max_size=4))
    return [
        redeem(f"r{place}", points, on)
        for place, (points, on) in enumerate(sorted(asked, key=lambda one: one[1]))
    ]


def seen(standing: Standing) -> Counted:
    held: dict[str, int] = {}
    for lot in standing.lots:
        for spender, points in lot.held.items():
            held[spender] = held.get(spender, 0) + points
    free, owed = standing.points.available, sum(standing.owed.values())
    return Counted(free, owed, sum(one.expired for one in standing.lots), held)


def compared(standing: Standing) -> Any:
    """All of it that is comparable."""
    return standing._replace(programme=None, operations=())


@given(histories(), requests())
def test_points_are_those_that_are_counted_one_by_one(
    events: list[Event], operations: list[Operation]
) -> None:
    found = replay(since_ever(YEARLY), facts(*events), operations, day(NOW))
    assert seen(found) == one_by_one(events, operations, LASTS, NOW)


@given(histories(), requests(), st.randoms(use_true_random=False))
def test_the_order_in_which_it_is_told_makes_no_difference(
    events: list[Event], operations: list[Operation], chance: Any
) -> None:
    for one in (YEARLY, TIERED):
        told = facts(*events)
        first = replay(since_ever(one), told, operations, day(NOW))
        chance.shuffle(told)
        asked = list(operations)
        chance.shuffle(asked)
        assert compared(replay(since_ever(one), told, asked, day(NOW))) == compared(first)


@given(histories(), requests(), st.permutations(range(12)), st.integers(0, 11))
def test_the_ledger_says_what_is_known_whenever_it_was_booked(
    events: list[Event], operations: list[Operation], arrival: Sequence[int], step: int
) -> None:
    booked: dict[Key, int] = {}
    arrived = [events[place] for place in arrival if place < len(events)]
    for known in range(0, len(arrived) + 1, 1 + step):
        now = day(known)
        asked = [one for one in operations if one.at <= now]
        book(booked, replay(since_ever(TIERED), facts(*arrived[:known]), asked, now), known)
    last = replay(since_ever(TIERED), facts(*events), operations, day(NOW))
    book(booked, last, NOW)
    assert not ledger.due(last, booked, day(NOW))
    at_once: dict[Key, int] = {}
    book(at_once, last, NOW)
    assert {key: points for key, points in booked.items() if points} == at_once
    assert sum(booked.values()) == last.points.total
    assert all(0 <= one.free <= one.points for one in last.lots)


def book(booked: dict[Key, int], standing: Standing, today: int) -> None:
    for entry in ledger.due(standing, booked, day(today)):
        booked[entry.key] = booked.get(entry.key, 0) + entry.points


@given(histories(), histories(), requests())
def test_who_comes_apart_again_has_what_was_his(
    ada: list[Event], ben: list[Event], operations: list[Operation]
) -> None:
    """Facts hang on identifiers: joined and apart are two readings of the same."""
    versions, now = since_ever(TIERED), day(NOW)
    other = "00000000-0000-0000-0000-000000000002"
    hers, his = facts(*ada), facts(*ben, anchor=other)
    booked: dict[Key, int] = {}
    joined = replay(versions, [*hers, *his], operations, now)
    book(booked, joined, NOW)
    for some, asked, anchor in ((hers, operations, hers[:1]), (his, [], his[:1])):
        mine = {key: n for key, n in booked.items() if anchor and key.anchor == anchor[0].anchor}
        alone = replay(versions, some, asked, now)
        book(mine, alone, NOW)
        assert not anchor or sum(mine.values()) == alone.points.total


def test_points_of_a_cancelled_order_that_were_spent_are_owed_and_paid_by_the_next() -> None:
    told = [order("1", total=100), cancelled("2", on=2)]
    spent = [redeem("r", 80, on=1)]
    owing = replay(since_ever(programme()), facts(*told), spent, day(3))
    assert (owing.points.balance, owing.points.debt, owing.owed) == (-80, 80, {"r": 80})
    told.append(order("3", "2", on=4, total=100))
    paid = replay(since_ever(programme()), facts(*told), spent, day(5))
    assert (paid.points.balance, paid.points.debt) == (20, 0)
    assert [(one.key, one.held) for one in paid.lots if one.held] == [("order:2:spend", {"r": 80})]


def test_a_refund_takes_its_part_once_however_often_it_is_told() -> None:
    told = [order("1", total=100), refund("2", on=1, total=25), refund("3", on=2, total=25)]
    found = replay(since_ever(programme()), facts(*told), [], day(3))
    assert found.points.available == 50
    whole = [*told, refund("4", on=3, total=500), cancelled("5", on=4)]
    assert replay(since_ever(programme()), facts(*whole), [], day(5)).points.total == 0


def test_the_points_that_expire_first_are_spent_first() -> None:
    told = [order("1", "1", on=0, total=50), order("2", "2", on=1, total=50)]
    found = replay(since_ever(YEARLY), facts(*told), [redeem("r", 60, on=2)], day(3))
    assert [(one.key, one.held) for one in found.lots] == [
        ("order:1:spend", {"r": 50}),
        ("order:2:spend", {"r": 10}),
    ]
    assert found.expiring == [(day(1 + LASTS), 40)]


def test_a_reservation_ends_by_itself_and_gives_back() -> None:
    told = facts(order("1", total=50))
    asked = [redeem("r", 40, on=1, confirmed_at=None, until=day(2))]
    held = replay(since_ever(programme()), told, asked, day(1))
    assert (held.points.available, held.points.reserved) == (10, 40)
    over = replay(since_ever(programme()), told, asked, day(2))
    assert (over.points.available, over.points.reserved) == (50, 0)
    assert asked[0].state(day(2)) == "expired"


def test_points_that_are_told_after_their_time_pay_no_debt() -> None:
    told = [order("1", total=0), order("2", on=LASTS, name="Order Updated", total=10)]
    found = replay(since_ever(YEARLY), facts(*told), [redeem("r", 4, on=0)], day(NOW))
    assert (found.points.debt, found.lots[0].expired) == (4, 10)


def test_a_redemption_takes_the_lots_that_it_was_told_of_while_they_last() -> None:
    told = [order("1", "1", total=50), order("2", "2", on=1, total=50)]
    asked = redeem("r", 60, on=2, lots={"order:2:spend": 40, "order:1:spend": 20, "gone": 1})
    found = replay(since_ever(programme()), facts(*told), [asked], day(3))
    assert [one.held for one in found.lots] == [{"r": 20}, {"r": 40}]
    less = [*told, cancelled("3", "2", on=1.5)]
    moved = replay(since_ever(programme()), facts(*less), [asked], day(3))
    assert ([one.held for one in moved.lots], moved.owed) == ([{"r": 50}, {}], {"r": 10})


def test_what_was_taken_and_what_was_let_go_is_booked_as_it_is() -> None:
    told = facts(order("1", total=50), cancelled("2", on=9))
    asked = [
        redeem("a", 10, on=1, confirmed_at=None, until=day(99)),
        redeem("b", 10, on=1, confirmed_at=None, released_at=day(2)),
        redeem("c", -5, on=1, kind="adjust", confirmed_at=None),
    ]
    assert [one.state(day(3)) for one in asked] == ["reserved", "cancelled", "done"]
    found = replay(since_ever(programme()), told, asked, day(3))
    assert [(one.key.kind, one.points) for one in ledger.due(found, {}, day(3))] == [
        ("earned", 50),
        ("adjusted", -5),
    ]
    owing = replay(since_ever(programme()), told, asked, day(10))
    # A reservation is no debt.
    assert (owing.points.total, owing.points.debt, owing.owed) == (-5, 5, {"a": 10, "c": 5})


def test_what_comes_back_after_its_time_expires_at_once() -> None:
    told = facts(order("1", total=50))
    asked = [redeem("r", 40, on=1, released_at=day(LASTS + 2))]
    found = replay(since_ever(YEARLY), told, asked, day(NOW))
    assert (found.points.total, found.lots[0].expired) == (0, 50)


def test_an_order_before_joining_earns_nothing_also_if_it_is_told_of_later() -> None:
    one = programme(enrolment={"everybody": False})
    joins = Operation(id="e", anchor=facts(order("1"))[0].anchor, kind="enrol", at=day(1))
    told = [order("1", total=50), order("2", name="Order Updated", on=2, total=60)]
    assert replay(since_ever(one), facts(*told), [joins], day(3)).points.total == 0
    told.append(order("3", "2", on=2, total=7))
    assert replay(since_ever(one), facts(*told), [joins], day(3)).points.total == 7


def test_who_leaves_has_no_points_and_earns_none() -> None:
    leaves = Operation(id="l", anchor=facts(order("1"))[0].anchor, kind="leave", at=day(1))
    told = [order("1", total=50), order("2", "2", on=2, total=50)]
    found = replay(since_ever(programme(pending_days=9)), facts(*told), [leaves], day(13))
    assert (found.points.total, found.is_member, found.lots[0].expired) == (0, False, 50)


def test_a_run_is_as_large_as_its_lots_and_what_is_on_its_way() -> None:
    run = Replay(since_ever(programme()), day(5))
    run.expect(facts(*(order(f"{n}", f"{n}", on=n, total=1) for n in range(3))), [])
    assert run.size == 1 + 3, "the programme, and three orders"
    assert run.run(day(1)).size == 2 + 1
    assert run.run().size == 3


def test_points_are_taken_from_lots_that_come_before_all_that_are_not_loaded() -> None:
    told = facts(*(order(f"{n}", f"{n}", on=n, total=10) for n in (0, 2)))
    known = replay(since_ever(programme()), told, [], day(3))
    first, second = (one.key for one in known.lots)
    assert known.allocation(15) == {first: 10, second: 5}
    part = known._replace(rest=Rest(free=1, first=(FAR, day(1), "another")))
    assert part.allocation(10) == {first: 10}
    with pytest.raises(MissingError):
        part.allocation(11)


def test_what_expires_is_told_with_what_is_not_loaded() -> None:
    run = Replay(since_ever(programme(expiry={"days": 5})), day(2))
    run.account.rest = Rest(free=7, expires_at=day(5), expiring=4)
    run.expect(facts(order("1", "1", on=0, total=10), order("2", "2", on=1, total=3)), [])
    assert run.run().standing().expiring == [Expiring(day(5), 10 + 4), Expiring(day(6), 3)]
