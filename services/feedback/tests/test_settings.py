"""Settings that make no sense refuse the start, and say which they are."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from rapport_feedback.settings import Settings

Make = Callable[..., Settings]
MONDAY = datetime(2026, 1, 19, 9, tzinfo=UTC)


def test_a_complaint_is_acknowledged_within_a_business_day_by_default(settings_with: Make) -> None:
    levels = settings_with().service_levels()
    assert levels.calendar.add(MONDAY, levels.acknowledge) == MONDAY + timedelta(hours=8)
    assert levels.resolve == timedelta(weeks=8)


def test_the_offices_of_berlin_open_by_their_own_clock(settings_with: Make) -> None:
    levels = settings_with(business_zone="Europe/Berlin", business_opens=time(8)).service_levels()
    start = datetime(2026, 1, 19, 6, tzinfo=ZoneInfo("Europe/Berlin"))
    assert levels.calendar.add(start, timedelta(hours=1)) == start + timedelta(hours=3)


@pytest.mark.parametrize(
    ("opens", "closes", "hours"),
    [("00:00", "24:00", 2), ("00:00", "00:00", 2), ("22:00", "06:00", 2), ("08:00", "24:00", 10)],
)
def test_offices_may_be_open_at_night(
    settings_with: Make, opens: str, closes: str, hours: int
) -> None:
    """From Monday 23:00 UTC on, two open hours later."""
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    levels = settings_with(
        business_days=days, business_opens=opens, business_closes=closes
    ).service_levels()
    night = MONDAY + timedelta(hours=14)
    due = levels.calendar.add(night, timedelta(hours=2))
    assert due == night + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"business_zone": "Mars/Olympus"}, "BUSINESS_ZONE"),
        ({"business_zone": "localtime"}, "BUSINESS_ZONE"),
        ({"business_zone": "../../etc/passwd"}, "BUSINESS_ZONE"),
        ({"business_closes": "24:01"}, "business_closes"),
        ({"business_days": []}, "BUSINESS_DAYS"),
        ({"business_days": ["mon", "someday"]}, "business_days"),
        ({"invitation_days": 0}, "invitation_days"),
        ({"complaint_mailbox": "pop3://a:secret@h"}, "complaint_mailbox"),
        ({"complaint_bytes": 2**30}, "complaint_bytes"),
        ({"link_key": "ab" * 31}, "link_key"),
        ({"event_key": "x" * 64}, "event_key"),
        ({"idp_issuer": "https://id.example.com"}, "idp_keys"),
    ],
)
def test_nonsense_refuses_the_start(
    settings_with: Make, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        settings_with(**changes)
