"""mixpanel sends a plan from standard input, each call a request of its own."""

import json
import sys
from typing import Any

from mixpanel import Consumer, Mixpanel


def send(client: Mixpanel, call: dict[str, Any]) -> None:
    """One call of the SDK for one of the plan."""
    if call["kind"] == "identify":
        client.people_set(call["user"], call["data"])
    else:
        client.track(call["user"], call["name"], call["data"])


def main() -> None:
    job = json.load(sys.stdin)
    consumer = Consumer(
        events_url=job["url"] + "/track",
        people_url=job["url"] + "/engage",
        retry_limit=12,
        retry_backoff_factor=0.25,
        # The test's certificate is its own.
        verify_cert=False,
    )
    client = Mixpanel(job["key"], consumer=consumer)
    for call in job["calls"]:
        send(client, call)


main()
