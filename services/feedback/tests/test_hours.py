"""Business time: the known vector, lunch, holidays, changes of the clocks, and its laws."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_feedback.domain.hours import Calendar, NeverOpenError, on_days

OFFICE = Calendar(on_days(range(5), time(9), time(17)))
BERLIN = ZoneInfo("Europe/Berlin")
WITH_LUNCH = Calendar(
    {day: ((time(13), time(18)), (time(8, 30), time(12))) for day in range(5)},
    BERLIN,
    frozenset({date(2026, 12, 25)}),
)
ROUND_THE_CLOCK = Calendar(dict.fromkeys(range(7), ((time.min, time.max),)), BERLIN)
NIGHTS = Calendar(on_days(range(5), time(22), time(6)), BERLIN, frozenset({date(2026, 12, 25)}))
DAY_AND_NIGHT = Calendar(on_days(range(7), time(9), time(9)), ZoneInfo("America/New_York"))
OVERLAPPING = Calendar(
    {0: ((time(20), time(10)), (time(8), time(21))), 1: ((time(9), time(17)),)},
    ZoneInfo("Australia/Lord_Howe"),  # where the clocks change by half an hour
)
CALENDARS = st.sampled_from(
    [OFFICE, WITH_LUNCH, ROUND_THE_CLOCK, NIGHTS, DAY_AND_NIGHT, OVERLAPPING]
)
# Around the changes of the clocks in their zones.
CHANGES = st.sampled_from(
    [
        datetime(2026, 3, 8, tzinfo=UTC),
        datetime(2026, 3, 29, tzinfo=UTC),
        datetime(2026, 4, 5, tzinfo=UTC),
        datetime(2026, 10, 4, tzinfo=UTC),
        datetime(2026, 10, 25, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 12, 25, tzinfo=UTC),
    ]
)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
SPANS = st.timedeltas(timedelta(seconds=1), timedelta(hours=200))

HOUR = timedelta(hours=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type] # the parts are integers


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        (utc(2026, 1, 16, 16, 30), 1, utc(2026, 1, 19, 9, 30)),  # Friday 16:30
        (utc(2026, 1, 16, 16, 0), 1, utc(2026, 1, 16, 17, 0)),  # to the last minute
        (utc(2026, 1, 17, 3, 0), 1, utc(2026, 1, 19, 10, 0)),  # on a Saturday night
        (utc(2026, 1, 19, 7, 0), 8, utc(2026, 1, 19, 17, 0)),  # before the office opens
        (utc(2026, 1, 19, 10, 0), 8, utc(2026, 1, 20, 10, 0)),
        (utc(2026, 1, 19, 9, 0), 40, utc(2026, 1, 23, 17, 0)),  # a whole week
        (utc(2026, 1, 17, 3, 0), 0, utc(2026, 1, 17, 3, 0)),
    ],
)
def test_due_in_the_office(start: datetime, hours: int, due: datetime) -> None:
    assert OFFICE.add(start, hours * HOUR) == due


def test_lunch_is_not_worked() -> None:
    start = datetime(2026, 1, 19, 11, 30, tzinfo=BERLIN)
    assert WITH_LUNCH.add(start, HOUR) == datetime(2026, 1, 19, 13, 30, tzinfo=BERLIN)


def test_a_holiday_is_not_worked() -> None:
    start = datetime(2026, 12, 24, 17, 30, tzinfo=BERLIN)
    assert WITH_LUNCH.add(start, HOUR) == datetime(2026, 12, 28, 9, 0, tzinfo=BERLIN)


def test_the_night_the_clocks_go_forward_is_an_hour_shorter() -> None:
    start = datetime(2026, 3, 29, 0, 0, tzinfo=BERLIN)
    assert ROUND_THE_CLOCK.add(start, 23 * HOUR) == datetime(2026, 3, 30, tzinfo=BERLIN)
    assert ROUND_THE_CLOCK.add(start, HOUR * 3) == datetime(2026, 3, 29, 4, tzinfo=BERLIN)


def test_office_hours_follow_the_local_clock() -> None:
    local = Calendar(on_days(range(5), time(9), time(17)), BERLIN)
    assert local.add(utc(2026, 3, 27, 12, 0), 8 * HOUR) == utc(2026, 3, 30, 11, 0)


@pytest.mark.parametrize(
    "closed",
    [
        Calendar({}),
        Calendar(
            on_days(range(5), time(9), time(17)),
            holidays=frozenset(date(2026, 1, 1) + timedelta(days=day) for day in range(800)),
        ),
    ],
)
def test_a_calendar_that_never_opens_says_so(closed: Calendar) -> None:
    with pytest.raises(NeverOpenError, match="business hours"):
        closed.add(utc(2026, 1, 16), HOUR)


@given(CALENDARS, INSTANTS, SPANS)
def test_exactly_that_much_open_time_passes(
    calendar: Calendar, start: datetime, span: timedelta
) -> None:
    assert calendar.between(start, calendar.add(start, span)) == span


@given(CALENDARS, INSTANTS, SPANS)
def test_it_is_due_in_open_time_and_not_before(
    calendar: Calendar, start: datetime, span: timedelta
) -> None:
    due = calendar.add(start, span)
    a_moment = timedelta(microseconds=1)
    assert due >= start + span
    assert calendar.between(due - a_moment, due) == a_moment


@given(CALENDARS, INSTANTS, SPANS, SPANS)
def test_two_spans_one_after_the_other_are_their_sum(
    calendar: Calendar, start: datetime, first: timedelta, second: timedelta
) -> None:
    step_by_step = calendar.add(calendar.add(start, first), second)
    assert calendar.add(start, first + second) == step_by_step


@given(CALENDARS, INSTANTS, INSTANTS, SPANS)
def test_who_starts_later_is_due_no_earlier(
    calendar: Calendar, one: datetime, other: datetime, span: timedelta
) -> None:
    assert calendar.add(min(one, other), span) <= calendar.add(max(one, other), span)


@given(CALENDARS, INSTANTS, INSTANTS)
def test_no_time_passes_backwards(calendar: Calendar, one: datetime, other: datetime) -> None:
    assert calendar.between(max(one, other), min(one, other)) == timedelta(0)


def test_where_nothing_is_ever_open_no_time_passes() -> None:
    assert Calendar({}).between(
        datetime(2026, 1, 16, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    ) == timedelta(0)


def test_a_window_inside_another_is_not_open_twice() -> None:
    nested = Calendar({0: ((time(8), time(18)), (time(9), time(10))), 1: ((time(8), time(9)),)})
    monday = utc(2026, 1, 19)
    assert nested.between(monday, monday + timedelta(days=7)) == 11 * HOUR
    assert nested.add(monday, 11 * HOUR) == utc(2026, 1, 20, 9)


def is_open(calendar: Calendar, moment: datetime) -> bool:
    """Whether it is open by the clock on the wall, without any arithmetic of windows."""
    local = moment.astimezone(calendar.zone)
    yesterday = local.date() - timedelta(days=1)
    clock = local.time()
    for opens, closes in () if local.date() in calendar.holidays else _of(calendar, local.date()):
        if opens <= clock and (clock < closes or closes <= opens):
            return True
    reaching = () if yesterday in calendar.holidays else _of(calendar, yesterday)
    return any(closes <= opens and clock < closes for opens, closes in reaching)


def _of(calendar: Calendar, day: date) -> tuple[tuple[time, time], ...]:
    return calendar.week.get(day.weekday(), ())


@given(CALENDARS, CHANGES, st.integers(-3000, 3000), st.integers(1, 3000))
def test_it_is_what_a_counter_of_minutes_counts(
    calendar: Calendar, around: datetime, minutes: int, length: int
) -> None:
    minute = timedelta(minutes=1)
    start = around + minutes * minute
    counted = sum(is_open(calendar, start + number * minute) for number in range(length))
    assert calendar.between(start, start + length * minute) == counted * minute
    if counted and is_open(calendar, start + (length - 1) * minute):
        assert calendar.add(start, counted * minute) == start + length * minute


def test_what_begins_in_the_hour_that_is_left_out_begins_at_its_end() -> None:
    early = Calendar({6: ((time(2, 30), time(5)),)}, BERLIN)
    begin = utc(2026, 3, 29, 1)  # 02:00 is 03:00
    assert early.between(begin - HOUR, begin + 5 * HOUR) == 2 * HOUR
    assert early.add(begin - HOUR, HOUR) == begin + HOUR
