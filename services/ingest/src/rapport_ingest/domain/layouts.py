"""Layouts of times as strptime has them: tried when they are set, not when a row comes."""

import re
from datetime import UTC, datetime

SAMPLES = (
    datetime(2026, 1, 31, 21, 47, 58, 123_456, tzinfo=UTC),
    datetime(2024, 12, 9, 5, 3, 7, 40_000, tzinfo=UTC),
)
"""In the afternoon and in the morning; days that are no months."""


def layout_problem(layout: str) -> str | None:
    """Why texts in this layout can't be read back to the day and hour written; None: they can."""
    for sample in SAMPLES:
        try:
            text = sample.strftime(layout)
            found = datetime.strptime(text, layout).replace(tzinfo=UTC)
        except (ValueError, re.error, UnicodeError):
            return (
                f"'{layout}' can't be read: each part stands once, such as %d/%m/%Y or "
                "%Y-%m-%d %H:%M:%S"
            )
        if found.date() != sample.date():
            return f"'{layout}' does not name a day: it needs year, month and day"
        if found not in _shortened(sample):
            return f"'{layout}' loses the time: %I needs %p, minutes need hours"
    return None


def _shortened(whole: datetime) -> list[datetime]:
    """The time as exactly as a layout may have it, from days to microseconds."""
    second = whole.replace(microsecond=0)
    minute = second.replace(second=0)
    hour = minute.replace(minute=0)
    return [whole, second, minute, hour, hour.replace(hour=0)]
