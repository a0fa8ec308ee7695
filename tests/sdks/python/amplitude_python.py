"""amplitude-analytics sends a plan from standard input, in batches."""

import json
import sys
import time
from typing import Any

from amplitude import Amplitude, BaseEvent, EventOptions, Identify

ERRORS: list[str] = []
TOLD: list[Any] = []
POLL_SECONDS = 0.1
TAKEN = 200


def send(client: Amplitude, call: dict[str, Any]) -> None:
    """One call of the SDK for one of the plan."""
    if call["kind"] == "identify":
        changes = Identify()
        for name, value in call["data"].items():
            changes.set(name, value)
        client.identify(changes, EventOptions(user_id=call["user"]))
    else:
        client.track(BaseEvent(call["name"], user_id=call["user"], event_properties=call["data"]))


def told(event: Any, code: Any, message: Any) -> None:
    """What became of an event."""
    TOLD.append(code)
    if code != TAKEN:
        ERRORS.append(f"{event.event_type}: {code} {message}")


def main() -> None:
    job = json.load(sys.stdin)
    client = Amplitude(job["key"])
    client.configuration.server_url = job["url"] + "/2/httpapi"
    client.configuration.flush_queue_size = 10
    client.configuration.flush_max_retries = 12
    client.configuration.callback = told
    for call in job["calls"]:
        send(client, call)
    # Its shutdown sends what waits once, and gives up what waits for another try.
    while len(TOLD) < len(job["calls"]):
        client.flush()
        time.sleep(POLL_SECONDS)
    client.shutdown()
    sys.exit("\n".join(ERRORS) or 0)


main()
