"""Caps: how often somebody is written to at most, by what they were sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.caps import Cap, CapsError, Period, checked, reached, since
from rapport_campaign.domain.contact_rules import (
    ContactRules,
    ContactRulesError,
    Detractors,
    detractor_answer,
)
from rapport_campaign.domain.contact_rules import checked as checked_rules
from rapport_campaign.domain.model import State
from rapport_campaign.domain.quiet_hours import Window
from rapport_campaign.domain.zones import Clock, clock_of
from rapport_common.events.profile import ComputedState, DefinedValue
from rapport_common.testing.examples import examples
from rapport_common.zones import zones

NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)
BERLIN, HAVANA = (Clock(zones()[one], one) for one in ("Europe/Berlin", "America/Havana"))


def cap(at_most: int = 2, **period: Any) -> Cap:
    return Cap(id="c", at_most=at_most, period=Period(**period))


def person(**more: Any) -> State:
    return State(
        identifiers=[],
        traits=msgspec.Raw(msgspec.json.encode(more.get("traits", {}))),
        computed=more.get("computed", ComputedState()),
    )


periods = st.one_of(
    st.builds(Period, minutes=st.integers(1, 5000)),
    st.builds(Period, days=st.integers(1, 40)),
    st.builds(Period, this=st.sampled_from(["day", "week", "month"])),
)


@settings(max_examples=examples(200))
@given(
    periods,
    st.integers(1, 4),
    st.lists(st.integers(0, 90_000), max_size=8),
    st.sampled_from([BERLIN, HAVANA]),
)
def test_what_is_next_possible_is_the_first_instant_at_which_it_is(
    period: Period, at_most: int, minutes_ago: list[int], clock: Clock
) -> None:
    one = Cap(id="c", at_most=at_most, period=period)
    sent = [NOON - timedelta(minutes=ago) for ago in minutes_ago]
    found = reached(one, sent, NOON, clock)
    start = since(period, NOON, clock)
    counted = [at for at in sent if at > start or (at == start and period.rolling is None)]
    assert (found is not None) == (len(counted) >= at_most)
    if found is None:
        return
    assert found.next_at > NOON
    assert reached(one, sent, found.next_at, clock) is None
    assert reached(one, sent, found.next_at - timedelta(microseconds=1), clock) is not None


@pytest.mark.parametrize(
    ("this", "clock", "at", "start", "end"),
    [
        # The day on which Havana's clocks skip midnight begins at one.
        ("day", HAVANA, "2026-03-08T05:30", "2026-03-08T05:00", "2026-03-09T04:00"),
        # The first of November has midnight twice.
        ("day", HAVANA, "2026-11-01T05:30", "2026-11-01T04:00", "2026-11-02T05:00"),
        ("week", BERLIN, "2026-03-29T12:00", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("month", BERLIN, "2026-12-31T22:59", "2026-11-30T23:00", "2026-12-31T23:00"),
        ("month", BERLIN, "2026-12-31T23:00", "2026-12-31T23:00", "2027-01-31T23:00"),
    ],
)
def test_periods_of_the_calendar_are_those_where_the_person_is(
    this: Any, clock: Clock, at: str, start: str, end: str
) -> None:
    now, begin, until = (datetime.fromisoformat(f"{one}+00:00") for one in (at, start, end))
    period = Period(this=this)
    assert since(period, now, clock) == begin
    one = Cap(id="c", at_most=1, period=period)
    assert reached(one, [begin - timedelta(seconds=1)], now, clock) is None
    used = reached(one, [begin], now, clock)
    assert used is not None
    assert used.next_at == until


def test_a_rolling_period_ends_when_the_oldest_that_counts_is_out_of_it() -> None:
    week = cap(3, days=7)
    sent = [NOON - timedelta(days=days) for days in (1, 2, 6, 7, 8)]
    used = reached(week, sent, NOON, BERLIN)
    assert used is not None
    assert (used.count, used.next_at) == (3, NOON + timedelta(days=1))
    assert reached(week, sent, NOON + timedelta(days=1), BERLIN) is None


def test_who_has_no_zone_lives_by_the_workspaces_and_a_bad_one_is_told() -> None:
    assert clock_of(None, "Europe/Berlin").name == "Europe/Berlin"
    assert clock_of(None, "Europe/Given_Up").name == "UTC"
    assert clock_of(person(), "UTC").refused is None
    havana = clock_of(person(traits={"timezone": " America/Havana"}), "UTC")
    assert (havana.name, havana.refused) == ("America/Havana", None)
    for bad in ("Europe/Nowhere", "Factory", "+02:00", 7, ["UTC"], {"a": 1}, "x" * 5000):
        clock = clock_of(person(traits={"timezone": bad}), "Asia/Tokyo")
        assert clock.name == "Asia/Tokyo"
        assert clock.refused is not None
        assert len(clock.refused) <= 64


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (cap(0, days=1), "caps.0.at_most"),
        (cap(1001, days=1), "caps.0.at_most"),
        (cap(1), "caps.0.period"),
        (cap(1, days=1, this="day"), "caps.0.period"),
        (cap(1, days=367), "caps.0.period.days"),
        (cap(1, minutes=0), "caps.0.period.minutes"),
        (msgspec.structs.replace(cap(1, days=1), id="A"), "caps.0.id"),
        (msgspec.structs.replace(cap(1, days=1), channel="all"), "caps.0.channel"),
        (msgspec.structs.replace(cap(1, days=1), channel="pigeon"), "caps.0.channel"),
        (msgspec.structs.replace(cap(1, days=1), purpose="x_mine"), "caps.0.purpose"),
    ],
)
def test_what_can_be_no_cap_is_told_by_its_place(wrong: Cap, where: str) -> None:
    with pytest.raises(CapsError) as refused:
        checked([wrong])
    assert refused.value.where == where


def test_caps_are_known_by_their_ids_and_are_bounded() -> None:
    one = cap(1, hours=1)
    spelled = msgspec.structs.replace(one, id="d", channel="E-Mail")
    assert [kept.channel for kept in checked([one, spelled])] == [None, "email"]
    for many in ([one, one], [msgspec.structs.replace(one, id=f"c{n}") for n in range(21)]):
        with pytest.raises(CapsError) as refused:
            checked(many)
        assert refused.value.where == "caps"
    some = (Period(days=7), Period(hours=1), Period(this="week"))
    assert [period.in_words() for period in some] == ["7 days", "1 hour", "this week"]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (ContactRules(timezone="Europe/Nowhere"), "timezone"),
        (ContactRules(once_per_address_days=367), "once_per_address_days"),
        (ContactRules(quiet_hours=(Window(since="9", until="10:00"),)), "quiet_hours.0.from"),
        (ContactRules(caps=(cap(0, days=1),)), "caps.0.at_most"),
        (ContactRules(detractors=Detractors(computed="")), "detractors.computed"),
        (ContactRules(detractors=Detractors(computed="n", at_most=11)), "detractors.at_most"),
    ],
)
def test_rules_that_can_not_be_are_told_by_their_place(wrong: ContactRules, where: str) -> None:
    with pytest.raises(ContactRulesError) as refused:
        checked_rules(wrong)
    assert refused.value.where == where


def test_rules_at_their_bounds_are_taken_as_they_are() -> None:
    for most in (0, 10):
        rules = ContactRules(detractors=Detractors(computed="nps", at_most=most))
        assert checked_rules(rules) == rules


@pytest.mark.parametrize(
    ("number", "answer"), [("6", "6"), ("7", None), ("0", "0"), (None, None), ("6.5", None)]
)
def test_a_detractor_is_who_last_gave_six_or_less(number: str | None, answer: str | None) -> None:
    rules = ContactRules(detractors=Detractors(computed="last_nps"))
    defined = {"last_nps": DefinedValue(number=number)}
    found = detractor_answer(rules, person(computed=ComputedState(defined=defined)))
    assert found == (None if answer is None else ("last_nps", answer))
    assert detractor_answer(rules, person()) is None
    wrong = ContactRules(detractors=Detractors(computed="other"))
    assert detractor_answer(wrong, person(computed=ComputedState(defined=defined))) is None
    assert detractor_answer(ContactRules(), person(computed=ComputedState(defined=defined))) is None
