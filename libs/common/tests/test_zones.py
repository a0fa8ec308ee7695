"""Which names are time zones."""

from datetime import UTC, datetime

import pytest

from rapport_common.zones import UnknownZoneError, known_zone, zone_of, zones


def test_a_zone_goes_by_its_name_of_iana() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert summer.astimezone(known_zone("Asia/Shanghai")).hour == 20
    assert known_zone("UTC") is zone_of("UTC") is zones()["UTC"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Base", "Europe", "europe/berlin", "../../etc/passwd", "/etc/localtime"),
        # What one machine is set to, and the zone of a machine that is set to none.
        *("localtime", "Factory", "posixrules"),
    ],
)
def test_other_names_are_refused_with_what_to_give_instead(name: str) -> None:
    with pytest.raises(UnknownZoneError, match=r"is no time zone: give an IANA name"):
        known_zone(name)
