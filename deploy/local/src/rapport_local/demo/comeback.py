"""Two segments of the shipped library: one is built over all customers of the file; the other lets
a customer of long ago in, who looks at a record again, and, as time passes, out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from segment.analytics.client import Client

from rapport_local.demo.waiting import POLL_SECONDS, until
from rapport_local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapport_local.demo.platform import Platform
    from rapport_local.demo.scene import Scene

LAPSED, BACK = "lapsed_customers", "lapsed_and_back"
CUSTOMER = "00001"  # of the purchase history
DAYS = 7  # so far `lapsed_and_back` looks back
# Seconds before the end of the window at which the customer comes; a slow machine needs longer.
AHEAD = (3.0, 20.0, 60.0)


@dataclass
class Comeback:
    """The two segments, and how the customer stood towards the second one, as the API tells it."""

    platform: Platform
    scene: Scene
    tell: Callable[[str], None]
    events: int = 0
    segments: dict[str, str] = field(default_factory=dict)
    inside: dict[str, Any] = field(default_factory=dict)
    outside: dict[str, Any] = field(default_factory=dict)

    def expect(self) -> None:
        """Adopt the segment of those who come back, before there is anybody."""
        self._adopt(BACK, days=DAYS)

    def build(self) -> None:
        """Adopt the segment of the lapsed, and wait until all customers were held against it."""
        self._adopt(LAPSED)
        until("built segment", lambda: self._is_built(LAPSED))

    def look(self) -> None:
        """Look at a record, so long ago that it stops counting in a few seconds; be let in."""
        for seconds in AHEAD:
            ends = time.time() + seconds
            self._view(datetime.fromtimestamp(ends, UTC) - timedelta(days=DAYS))
            if self._is_let_in(ends):
                self.tell(f"is back again, and in that segment until {self.inside['changes_at']}")
                return
        raise LocalError(
            code="demo_timeout",
            message=f"Within {AHEAD[-1]:.0f} s customer {CUSTOMER} did not enter a segment. "
            "`make logs` tells more.",
        )

    def leave(self) -> None:
        """Do nothing, until time has passed and the customer is out."""
        until("exit by time", lambda: not self._standing()["member"])
        self.outside = self._standing()

    def _adopt(self, name: str, **parameters: int) -> None:
        wanted = {"ids": [name], "parameters": parameters}
        answer = self.platform.post("segment", "/v1/segments/library/adopt", wanted)
        self.segments[name] = str(answer["added"][0]["id"])

    def _is_built(self, name: str) -> bool:
        found = self.platform.get("segment", f"/v1/segments/{self.segments[name]}")
        return bool(found["status"] == "ready")

    def _view(self, at: datetime) -> None:
        shop = self.platform.config.url("ingest")
        tracker = Client(self.scene.web_key, host=shop, sync_mode=True)
        record = {"product_id": "kind-of-blue"}
        tracker.track(user_id=CUSTOMER, event="Product Viewed", properties=record, timestamp=at)
        self.events += 1

    def _is_let_in(self, ends: float) -> bool:
        while time.time() < ends:
            found = self._standing()
            if found["member"] and found["fits"]:
                self.inside = found
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _standing(self) -> dict[str, Any]:
        person = self.platform.get("profile", "/v1/profiles", kind="user_id", value=CUSTOMER)
        path = f"/v1/segments/{self.segments[BACK]}/members/{person['id']}"
        return self.platform.get("segment", path)
