"""When a tier ends if nothing more counts: it is held up to that instant, and at it no more."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.loyal import day, facts, order, programme, refund, since_ever

from rapport_common.events.envelope import Event
from rapport_profile.domain.loyalty.programme import Programme
from rapport_profile.domain.loyalty.replay import replay
from rapport_profile.domain.loyalty.standing import Standing

INSTANT = timedelta(microseconds=1)
NOW = 50
WINDOWS: list[dict[str, Any]] = [
    {"window": {"days": 10}},
    {"window": {"days": 40}, "keep_months": 1},
    {"window": {"months": 3}, "keep_months": 1},
    {"window": {"months": 1}, "keep_months": 12},
    {"window": {"calendar": "month"}},
    {"window": {"calendar": "year"}, "keep_periods": 1},
    {"window": {"days": 20}, "keep_months": 1, "one_step": True},
    {"window": {"calendar": "month"}, "one_step": True},
    {"window": {}},
]


def club(**parts: Any) -> Programme:
    """Two tiers by points; parts of them as given."""
    levels = [{"id": "silver", "threshold": "10"}, {"id": "gold", "threshold": "25"}]
    return programme(tiers={"measure": "points", "levels": levels, **parts})


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Orders of seven weeks, some of which are given back."""
    days = st.integers(0, NOW - 2)
    bought = draw(st.lists(st.tuples(days, st.integers(1, 20), st.booleans()), max_size=8))
    told = []
    for number, (on, total, is_returned) in enumerate(bought):
        told.append(order(f"o{number}", str(number), total=total, on=on))
        if is_returned:
            told.append(refund(f"r{number}", str(number), total=total // 2, on=on + 1))
    return told


def held(one: Programme, told: list[Event], at: Any) -> Standing:
    return replay(since_ever(one), facts(*told), [], at)


@given(histories(), st.sampled_from(WINDOWS), st.sampled_from([0, 3]))
def test_a_tier_ends_when_it_was_foretold(
    told: list[Event], window: dict[str, Any], grace_days: int
) -> None:
    one = club(**window, grace_days=grace_days)
    now = held(one, told, day(NOW))
    if now.tier is None:
        assert now.tier_until is None
    elif now.tier_until is None:
        assert held(one, told, day(20_000)).tier == now.tier
    else:
        assert now.tier_until > day(NOW)
        assert held(one, told, now.tier_until - INSTANT).tier == now.tier
        assert held(one, told, now.tier_until).tier != now.tier


@pytest.mark.parametrize(
    ("window", "until"),
    [
        # 8 of the 26 are from day 0: without them it is silver.
        ({"window": {"days": 60}}, 60),
        ({"window": {"days": 60}, "grace_days": 5}, 65),
        # Kept a month after the last of day 40, and that is later than day 60.
        ({"window": {"days": 60}, "keep_months": 1}, 40 + 28),
        ({"window": {"days": 60}, "keep_months": 12}, 40 + 365),
        ({"window": {"calendar": "year"}, "keep_periods": 1}, 2 * 365),
        ({"window": {}}, None),
    ],
)
def test_what_is_lost_first_tells_when(window: dict[str, Any], until: int | None) -> None:
    told = [order(f"o{on}", str(on), total=total, on=on) for on, total in ((0, 8), (9, 9), (40, 9))]
    standing = held(club(**window), told, day(45))
    assert standing.tier is not None
    assert standing.tier.id == "gold"
    assert standing.tier_until == (None if until is None else day(until))
