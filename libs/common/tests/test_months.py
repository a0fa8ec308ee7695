"""Months, and which of them a table has to have."""

from datetime import UTC, datetime, timedelta

from rapport_common.months import Month, lacking, month_of, over

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_months_follow_each_other() -> None:
    december = Month(2025, 12)
    assert december.following == Month(2026, 1) == month_of(START)
    assert lacking(december, START) == [Month(2026, number) for number in (1, 2, 3, 4)]
    assert lacking(Month(2026, 4), START) == []
    known = [december, Month(2026, 1)]
    assert over(known, START) == [december]
    assert over(known, START - timedelta(microseconds=1)) == []
