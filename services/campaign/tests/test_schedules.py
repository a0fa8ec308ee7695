"""When broadcasts begin, for whom it is then, and how fast they go: pure rules."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.broadcasts import Audience
from rapport_campaign.domain.schedules import (
    At,
    Local,
    Now,
    Recurring,
    Schedule,
    ScheduleError,
    begins_at,
    checked,
    due_in,
    due_of,
    following,
    last_local,
)
from rapport_campaign.domain.throttles import CATCH_UP, WINDOWS, Throttle, granted
from rapport_common.testing.examples import examples
from rapport_common.zones import zones

wall = datetime.fromisoformat
HOUR = timedelta(hours=1)
BERLIN, APIA = zones()["Europe/Berlin"], zones()["Pacific/Apia"]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
names = st.sampled_from(sorted(zones()))
times = st.datetimes(wall("2020-01-01T00:00"), wall("2035-01-01T00:00"))
instants = st.datetimes(
    wall("2020-01-01T00:00"),
    wall("2035-01-01T00:00"),
    timezones=st.just(UTC),
)


@settings(max_examples=examples(200))
@given(name=names, local=times)
def test_a_local_time_is_what_the_clock_shows_or_the_clocks_skip_it(
    name: str, local: datetime
) -> None:
    zone = zones()[name]
    due = due_in(zone, local)
    shown = due.astimezone(zone).replace(tzinfo=None)
    if shown != local:
        # The clocks skip it: it is as much later as they go forward.
        gap = due.astimezone(zone).utcoffset() or timedelta(0)
        before = (due - timedelta(hours=3)).astimezone(zone).utcoffset() or timedelta(0)
        assert shown - local == gap - before > timedelta(0)
    else:
        # Of two times that the clock shows it, it is the first one.
        for back in (HOUR / 2, HOUR, 2 * HOUR):
            assert (due - back).astimezone(zone).replace(tzinfo=None) != local
    schedule = Local(local)
    begins = begins_at(schedule, datetime(2019, 1, 1, tzinfo=UTC))
    assert begins is not None
    assert begins <= due <= last_local(schedule) + HOUR


@pytest.mark.parametrize(
    ("local", "due"),
    [
        (wall("2026-03-29T02:30"), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # skipped
        (wall("2026-10-25T02:30"), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # comes twice
        (wall("2026-07-01T09:00"), datetime(2026, 7, 1, 7, tzinfo=UTC)),
    ],
)
def test_days_on_which_clocks_are_changed(local: datetime, due: datetime) -> None:
    assert due_in(BERLIN, local) == due


def test_whose_time_is_over_gets_it_at_once_or_not_at_all() -> None:
    local = wall("2026-06-01T09:00")
    assert due_of(Local(local), BERLIN, NOON) == NOON
    assert due_of(Local(local, "skip"), BERLIN, NOON) is None
    los_angeles = zones()["America/Los_Angeles"]
    for past in ("at_once", "skip"):
        assert due_of(Local(local, past), los_angeles, NOON) == NOON + 4 * HOUR
    assert due_of(At(NOON), APIA, NOON) == NOON


@settings(max_examples=examples(100))
@given(
    name=names,
    cron=st.sampled_from(["0 9 * * *", "*/15 * * * *", "30 2 * * 0", "0 0 1 * *", "5 4 29 2 *"]),
    after=instants,
    jumps=st.lists(st.integers(0, 3), max_size=4),
)
def test_occurrences_follow_one_another_whenever_they_are_asked_for(
    name: str, cron: str, after: datetime, jumps: Sequence[int]
) -> None:
    schedule = Recurring(cron, name)
    at = following(schedule, after)
    for _ in jumps:
        assert at is not None
        assert at > after
        # Whoever asks a little later, before it has come, is told the same one.
        assert following(schedule, at - timedelta(microseconds=1)) == at
        after, at = at, following(schedule, at)


def test_what_repeats_ends() -> None:
    daily = Recurring("0 9 * * *", "Europe/Berlin", NOON + 2 * timedelta(days=1))
    first = following(daily, NOON)
    assert first == datetime(2026, 6, 2, 7, tzinfo=UTC)
    second = following(daily, first)
    assert second == datetime(2026, 6, 3, 7, tzinfo=UTC)
    assert following(daily, second) is None
    assert begins_at(daily, NOON) == first
    assert following(At(NOON), NOON) is None


def test_when_one_begins() -> None:
    assert begins_at(Now(), NOON) == NOON
    assert begins_at(At(NOON - HOUR), NOON) == NOON - HOUR
    assert begins_at(Local(wall("2026-06-01T09:00")), NOON) == NOON
    assert checked(Now()) == Now()
    assert checked(At(NOON.astimezone(BERLIN))) == At(NOON)
    assert checked(Recurring("0 9 * * 1", "UTC", NOON)) == Recurring("0 9 * * 1", "UTC", NOON)


@pytest.mark.parametrize(
    ("schedule", "where"),
    [
        (At(wall("2026-01-01T00:00")), "at"),
        (At(datetime(1, 1, 1, tzinfo=UTC)), "at"),
        (Local(wall("9999-12-31T00:00")), "local_at"),
        (Local(NOON), "local_at"),
        (Recurring("0 9 * * *", "Europe/Atlantis"), "timezone"),
        (Recurring("0 9 * *", "UTC"), "cron"),
        (Recurring("0 0 9 * * *", "UTC"), "cron"),
        (Recurring("0 25 * * *", "UTC"), "cron"),
        (Recurring("0 0 30 2 *", "UTC"), "cron"),
        (Recurring("0 9 * * " + "1," * 60 + "1", "UTC"), "cron"),
    ],
)
def test_what_is_no_schedule_is_told_where(schedule: Schedule, where: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        checked(schedule)
    assert caught.value.where == where


@settings(max_examples=examples(200))
@given(
    at_most=st.integers(1, 90),
    looks=st.lists(
        st.tuples(st.integers(0, 40_000_000), st.integers(0, 200)), min_size=1, max_size=60
    ),
)
def test_no_window_has_one_too_many_however_senders_look(
    at_most: int, looks: Sequence[tuple[int, int]]
) -> None:
    throttle = Throttle(at_most)
    free_at, at, gone = 0, NOON, []
    for pause, wanted in looks:
        at += timedelta(microseconds=pause)
        number, free_at = granted(free_at, throttle.interval, at, wanted)
        assert 0 <= number <= wanted
        gone += [at] * number
    window = WINDOWS["minute"]
    for first, start in enumerate(gone):
        within = [one for one in gone[first:] if one - start < window]
        assert len(within) <= at_most


def test_who_looks_often_enough_uses_nearly_all_there_is() -> None:
    throttle, free_at, gone = Throttle(600), 0, 0
    for look in range(10 * 60 * 5):
        at = NOON + look * timedelta(milliseconds=200)
        number, free_at = granted(free_at, throttle.interval, at, 50)
        gone += number
    full = WINDOWS["minute"] / (WINDOWS["minute"] + CATCH_UP)
    assert 6000 * full <= gone <= 6000
    assert Throttle(10, "hour").interval == 360_100_000


def test_who_is_meant() -> None:
    audience = Audience(any=("a", "b"), every=("c",), excluded=("d", "a"))
    assert audience.named == ["a", "b", "c", "d"]
    assert audience.only is None
    assert audience.has(frozenset({"c"}))
    assert not audience.has(frozenset({"c", "d"}))
    assert not audience.has(frozenset())
    assert Audience(any=("a",)).only == "a"
    assert Audience(any=("a", "a")).only == "a"
