"""Quiet hours by the clock on the wall: held against one that goes minute by minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.quiet_hours import (
    DAYS,
    Quiet,
    Window,
    WindowsError,
    checked,
    is_quiet,
    next_open,
)
from rapport_common.testing.examples import examples
from rapport_common.zones import zones

MINUTE = timedelta(minutes=1)
OVERNIGHT = checked([Window(since="21:00", until="08:00")])
TURNS = (
    ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, 5, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
)
"""Zones with clocks that are changed at an instant: by an hour or half, at midnight, in Ramadan."""


def window(since: str, until: str, *days: str) -> Window:
    return Window(since=since, until=until, days=days or DAYS)  # type: ignore[arg-type] # words


def minute_of_week(wall: datetime) -> int:
    return wall.weekday() * 1440 + wall.hour * 60 + wall.minute


def quiet_minutes(windows: Quiet) -> frozenset[int]:
    """Each minute of the week that is quiet, one by one."""
    found: set[int] = set()
    for one in windows:
        start, end = (int(at[:2]) * 60 + int(at[3:]) for at in (one.since, one.until))
        length = end - start if end > start else end - start + 1440
        for day in one.days:
            begin = DAYS.index(day) * 1440 + start
            found |= {(begin + turn) % 10080 for turn in range(length)}
    return frozenset(found)


def walked(instant: datetime, zone: ZoneInfo, quiet: frozenset[int]) -> datetime:
    """The first open instant, looked for minute by minute."""
    at = instant.astimezone(UTC)
    while minute_of_week(at.astimezone(zone)) in quiet:
        at = at.replace(second=0, microsecond=0) + MINUTE
    return at


times = st.builds(
    "{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 29, 30, 59])
)
days = st.sets(st.sampled_from(DAYS), min_size=1, max_size=6).map(sorted)
windows = st.lists(
    st.builds(lambda a, b, c: window(a, b, *c), times, times, days).filter(
        lambda one: one.since != one.until
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=examples(200))
@given(windows, st.sampled_from(TURNS), st.integers(-200_000, 200_000))
def test_the_next_open_instant_is_the_one_that_a_walk_finds(
    some: list[Window], turn: tuple[str, datetime], seconds: int
) -> None:
    try:
        quiet = checked(some)
    except WindowsError:
        return
    zone, instant = zones()[turn[0]], turn[1] + timedelta(seconds=seconds)
    found = next_open(instant, zone, quiet)
    assert found == walked(instant, zone, quiet_minutes(quiet))
    assert not is_quiet(found, zone, quiet)


def changes(name: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The instants at which a zone's clocks are changed, to the minute."""
    zone, at, step = zones()[name], start, timedelta(hours=6)
    while at < end:
        if at.astimezone(zone).utcoffset() != (at + step).astimezone(zone).utcoffset():
            low, high = at, at + step
            while high - low > MINUTE:
                middle = low + timedelta(minutes=(high - low) // MINUTE // 2)
                same = middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        at += step


def hold_around(name: str, instant: datetime) -> None:
    """Overnight, in the changed hour, and until the middle of it: from a day before on."""
    zone = zones()[name]
    wall = instant.astimezone(zone)
    middle = (wall + timedelta(minutes=30)).strftime("%H:%M")
    before = (wall - timedelta(minutes=90)).strftime("%H:%M")
    for quiet in (OVERNIGHT, checked([window(before, middle)])):
        minutes = quiet_minutes(quiet)
        for back in (1440, 660, 61, 60, 31, 30, 1, 0, -29, -31, -61):
            at = instant - timedelta(minutes=back)
            assert next_open(at, zone, quiet) == walked(at, zone, minutes), (name, at, quiet)


@pytest.mark.parametrize(("name", "instant"), TURNS)
def test_around_a_change_of_the_clocks(name: str, instant: datetime) -> None:
    hold_around(name, instant)


REGIONS = sorted({name.partition("/")[0] for name in zones()})


@pytest.mark.long
@pytest.mark.parametrize("region", REGIONS)
def test_around_every_change_of_every_zone(region: str) -> None:
    first, last = (datetime(year, 1, 1, tzinfo=UTC) for year in (2024, 2038))
    for name in zones():
        if name.partition("/")[0] == region:
            for instant in changes(name, first, last):
                hold_around(name, instant)


@pytest.mark.parametrize(
    ("at", "open_at"),
    [
        ("2026-03-02T20:59:59", None),
        ("2026-03-02T21:00:00", "2026-03-03T08:00:00"),
        ("2026-03-03T00:00:00", "2026-03-03T08:00:00"),
        ("2026-03-03T07:59:59.5", "2026-03-03T08:00:00"),
        ("2026-03-03T08:00:00", None),
        ("2026-03-08T23:00:00", "2026-03-09T08:00:00"),
    ],
)
def test_an_overnight_window_is_of_the_night(at: str, open_at: str | None) -> None:
    zone = zones()["Asia/Shanghai"]
    instant = datetime.fromisoformat(at).replace(tzinfo=zone)
    expected = instant if open_at is None else datetime.fromisoformat(open_at).replace(tzinfo=zone)
    assert next_open(instant, zone, OVERNIGHT) == expected


def test_a_window_belongs_to_the_day_on_which_it_begins() -> None:
    zone = zones()["UTC"]
    weekend = checked([window("20:00", "06:00", "fri"), window("00:00", "24:00", "sat", "sun")])
    friday = datetime(2026, 3, 6, 20, tzinfo=UTC)
    assert next_open(friday, zone, weekend) == datetime(2026, 3, 9, tzinfo=UTC)
    thursday = friday - timedelta(days=1)
    assert next_open(thursday, zone, weekend) == thursday


@pytest.mark.parametrize(
    ("some", "where"),
    [
        ([window("8:00", "09:00")], "windows.0.from"),
        ([window("24:00", "09:00")], "windows.0.from"),
        ([window("08:00", "25:00")], "windows.0.to"),
        ([window("08:00", "12:60")], "windows.0.to"),
        ([window("08:00", "08:00")], "windows.0.to"),
        ([window("٠٨:٠٠", "09:00")], "windows.0.from"),
        ([Window(days=(), since="08:00", until="09:00")], "windows.0.days"),
        ([window("00:00", "24:00")], "windows"),
        ([window("00:00", "12:00"), window("12:00", "00:00")], "windows"),
        ([window("01:00", "02:00")] * 29, "windows"),
    ],
)
def test_what_can_not_be_is_told_by_its_place(some: list[Window], where: str) -> None:
    with pytest.raises(WindowsError) as refused:
        checked(some)
    assert refused.value.where == where
