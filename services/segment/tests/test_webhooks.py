"""What is posted to webhooks of segments."""

from datetime import UTC, datetime

import msgspec

from rapport_common.events.membership import Membership
from rapport_segment.domain.webhooks import body_of


def test_a_body_tells_what_has_happened_and_no_workspace() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    record = Membership(
        workspace="acme",
        profile_id="p",
        profile_version=7,
        segment_id="s",
        segment_version=1,
        entry_id="e",
        change="exited",
        at=at,
        cause="event",
        reason="orders 2 >= 1",
        by_time=True,
    )
    told = msgspec.json.decode(body_of(record))
    assert (told["type"], told["timestamp"]) == ("segment.exited", "2026-03-01T00:00:00Z")
    assert "workspace" not in told["data"]
    assert told["data"]["by_time"] is True
