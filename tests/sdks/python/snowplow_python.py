"""snowplow-tracker sends a plan from standard input, by POST or by GET."""

import json
import sys
import time
from typing import Any

from snowplow_tracker.emitters import Emitter
from snowplow_tracker.events.page_view import PageView
from snowplow_tracker.events.screen_view import ScreenView
from snowplow_tracker.events.self_describing import SelfDescribing
from snowplow_tracker.self_describing_json import SelfDescribingJson
from snowplow_tracker.subject import Subject
from snowplow_tracker.tracker import Tracker

TAKEN: set[str] = set()
SCHEMA = "iglu:com.example/{}/jsonschema/1-0-0"
STEP_SECONDS = 0.2
# By GET it forgets an event that failed if one after it, in the same flush, did not.
CHUNK = {"post": 6, "get": 1}


def event(call: dict[str, Any]) -> Any:
    """The event of a call; its name is a schema's."""
    subject = Subject().set_user_id(call["user"])
    match call["kind"]:
        case "track":
            data = SelfDescribingJson(SCHEMA.format(call["name"]), call["data"])
            return SelfDescribing(data, event_subject=subject)
        case "page":
            return PageView("https://shop.example.com/checkout", event_subject=subject)
        case _:
            number = "6f1ed002-ab5c-4c9d-9b5c-0f1f7b1f7d10"
            return ScreenView(number, call["name"], event_subject=subject)


def main() -> None:
    job = json.load(sys.stdin)
    emitter = Emitter(
        "127.0.0.1",
        protocol="http",
        port=job["port"],
        method=job["mode"],
        batch_size=10 if job["mode"] == "post" else 1,
        max_retry_delay_seconds=1,
        on_success=lambda sent: TAKEN.update(one["eid"] for one in sent),
    )
    tracker = Tracker("shop", emitter, app_id=job["key"])
    for number, call in enumerate(job["calls"], start=1):
        tracker.track(event(call))
        # It would send all that waits in one request: then there are too few of them.
        while number % CHUNK[job["mode"]] == 0 and len(TAKEN) < number:
            tracker.flush()
            time.sleep(STEP_SECONDS)


main()
