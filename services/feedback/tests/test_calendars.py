"""Calendars as they are declared: what is refused and why, any that is taken, and iCalendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain.calendars import (
    DAYS,
    CalendarDocument,
    CalendarError,
    Hours,
    Opening,
    SingleDay,
    calendar_of,
    checked,
)
from rapport_feedback.domain.ical import ICalError, holidays_of

TODAY = date(2026, 3, 2)
OFFICE = (Opening("09:00", "12:30", DAYS[:5]), Opening("13:30", "17:00", DAYS[:5]))


@pytest.mark.parametrize(
    ("told", "where"),
    [
        (CalendarDocument("UTC", ()), "week"),
        (CalendarDocument("UTC", (Opening("09:00", "17:00", ()),)), "week"),
        (CalendarDocument("Mars/Olympus", OFFICE), "timezone"),
        (CalendarDocument("UTC", (Opening("9", "17:00"),)), "week.0.from"),
        (CalendarDocument("UTC", (Opening("09:00", "25:00"),)), "week.0.to"),
        (CalendarDocument("UTC", OFFICE * 5000), "week"),
        (CalendarDocument("UTC", OFFICE, yearly=("02-30",)), "yearly.0"),
        (CalendarDocument("UTC", OFFICE, holidays=(date(9999, 12, 31),)), "holidays.0"),
        (CalendarDocument("UTC", OFFICE, days=(SingleDay(TODAY), SingleDay(TODAY))), "days"),
        (
            CalendarDocument(
                "UTC",
                (Opening("09:00", "17:00", DAYS[:1]),),
                days=(SingleDay(TODAY, (Hours("09:00", "17:00"),)),),
                yearly=tuple(f"{TODAY + timedelta(weeks=one):%m-%d}" for one in range(1, 53)),
            ),
            "holidays",
        ),
        (
            CalendarDocument(
                "UTC", OFFICE, holidays=tuple(TODAY + timedelta(days=one) for one in range(800))
            ),
            "holidays",
        ),
    ],
)
def test_a_calendar_that_can_not_be_says_where(told: CalendarDocument, where: str) -> None:
    with pytest.raises(CalendarError) as refused:
        checked(told, TODAY)
    assert refused.value.where == where


def test_a_single_day_has_its_own_windows() -> None:
    told = CalendarDocument(
        "Europe/Berlin",
        OFFICE,
        days=(SingleDay(date(2026, 12, 24), (Hours("09:00", "10:00"),)),),
        holidays=(date(2026, 12, 28),),
        yearly=("12-25",),
    )
    calendar = calendar_of(checked(told, TODAY))
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 12, 24, 9, 30, tzinfo=berlin)
    assert calendar.add(start, timedelta(hours=1)) == datetime(2026, 12, 29, 9, 30, tzinfo=berlin)
    assert calendar.end_of_day(start, 1) == datetime(2026, 12, 29, 17, tzinfo=berlin)


TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30]))
WEEKS = st.lists(
    st.builds(
        Opening,
        TIMES,
        st.one_of(TIMES, st.just("24:00")),
        st.sets(st.sampled_from(DAYS), min_size=1).map(tuple),
    ),
    min_size=1,
    max_size=4,
).map(tuple)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
)
NEAR = st.dates(date(2026, 1, 1), date(2027, 12, 31))
CALENDARS = st.builds(
    CalendarDocument,
    ZONES,
    WEEKS,
    st.lists(st.builds(SingleDay, NEAR, st.lists(st.builds(Hours, TIMES, TIMES)).map(tuple)),
             max_size=3, unique_by=lambda one: one.date).map(tuple),
    st.lists(NEAR, max_size=5).map(tuple),
)  # fmt: skip
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@settings(max_examples=examples(100))
@given(CALENDARS, INSTANTS, INSTANTS, st.timedeltas(timedelta(minutes=1), timedelta(hours=60)))
def test_between_takes_back_what_add_adds_by_any_calendar(
    told: CalendarDocument, one: datetime, other: datetime, span: timedelta
) -> None:
    calendar = calendar_of(checked(told, TODAY))
    early, late = sorted((one, other))
    due = calendar.add(early, span)
    assert calendar.between(early, due) == span
    assert due <= calendar.add(late, span)
    assert calendar.end_of_day(early, 1) <= calendar.end_of_day(late, 2)


def ical(*events: str) -> str:
    inner = "".join(f"BEGIN:VEVENT\r\n{one}\r\nEND:VEVENT\r\n" for one in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{inner}END:VCALENDAR\r\n"


def test_holidays_of_an_icalendar() -> None:
    found = holidays_of(
        ical(
            "UID:a\r\nDTSTART;VALUE=DATE:20001225\r\nDTEND;VALUE=DATE:20001227\r\nRRULE:FREQ=YEARLY"
            "\r\nEXDATE;VALUE=DATE:20281225\r\nBEGIN:VALARM\r\nDTSTART:19990101\r\nEND:VALARM",
            "DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=+4T\r\n H",
            "DTSTART;VALUE=DATE:20260501\r\nSTATUS:CANCELLED",
            "DTSTART:20260601T090000Z",
        ),
        TODAY,
    )
    assert found.ignored == 2
    assert {date(2026, 12, 25), date(2036, 12, 26), date(2026, 11, 26)} <= found.days
    assert date(2028, 12, 25) not in found.days
    assert max(found.days) == date(2036, 12, 26)
    assert len(found.days) == 11 * 3 - 2


def test_a_day_that_was_moved_is_off_where_it_was_moved_to() -> None:
    found = holidays_of(
        ical(
            "UID:a\r\nSUMMARY:A fair\r\nDTSTART;VALUE=DATE:20260406\r\nRRULE:FREQ=YEARLY;COUNT=2",
            "UID:a\r\nRECURRENCE-ID;VALUE=DATE:20270406\r\nDTSTART;VALUE=DATE:20270407",
        ),
        TODAY,
    )
    assert found.days == {date(2026, 4, 6), date(2027, 4, 7)}


@pytest.mark.parametrize(
    ("told", "days"),
    [
        ("DURATION:P3D", 3),
        ("DURATION:+P1W", 7),
        ("DTEND;VALUE=DATE:20261224", 1),
        ("DTEND;VALUE=DATE:20261226", 2),
        ("SUMMARY:One day", 1),
    ],
)
def test_how_long_a_holiday_is(told: str, days: int) -> None:
    found = holidays_of(ical(f"DTSTART;VALUE=DATE:20261224\r\n{told}"), TODAY).days
    assert found == {date(2026, 12, 24 + later) for later in range(days)}


def test_a_day_that_is_far_away_is_left_out() -> None:
    """Such as the last that there is."""
    days = "DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261227\r\nRDATE;VALUE=DATE:99991231"
    assert holidays_of(ical(days), TODAY).days == {date(2026, 12, 25), date(2026, 12, 26)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * 5_000_000, "characters"),
        ("no calendar", "no whole calendar"),
        ("BEGIN:VCALENDAR\r\nEND:VEVENT", "line 2"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=SECONDLY"), "FREQ=SECONDLY"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=YEARLY;BYSECOND=1"), "BYSECOND"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "is never"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=YEARLY;BYDAY=NONE"), "can't be read"),
        (ical("DTSTART:20261341"), "is no day"),
        (ical("DTSTART:20260101\r\nDTEND:20360101"), "days, not 1 to"),
        (ical("DTSTART:20260101\r\nDURATION:PT5H"), "lasts 'PT5H'"),
        (ical("DTSTART:20260101\r\nDURATION:P100D"), "days, not 1 to"),
        (ical("DTSTART:20010101"), "no whole day off"),
        (ical(*["DTSTART:20260101\r\nRRULE:FREQ=YEARLY"] * 101), "more than 100"),
        (ical(*["DTSTART:20260101"] * 4001), "more than 4000 events"),
        (ical("DTSTART:00010101\r\nRRULE:FREQ=YEARLY"), "begins"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=YEARLY;INTERVAL=0"), "INTERVAL"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=YEARLY;BYEASTER=" + "0," * 200 + "0"), "300 char"),
        (ical("DTSTART:20260101\r\nRRULE:FREQ=YEARLY;BYEASTER=400"), "can't be read|is never"),
    ],
)
def test_an_icalendar_that_can_not_be_says_why(text: str, says: str) -> None:
    with pytest.raises(ICalError, match=says):
        holidays_of(text, TODAY)
