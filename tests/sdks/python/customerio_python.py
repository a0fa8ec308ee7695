"""customerio sends a plan from standard input, each call a request of its own."""

import json
import sys
from typing import Any

from customerio import CustomerIO


def send(client: CustomerIO, call: dict[str, Any]) -> None:
    """One call of the SDK for one of the plan."""
    if call["kind"] == "identify":
        client.identify(call["user"], **call["data"])
    else:
        # Its events have no id unless they are given one.
        message_id = f"{call['user']}-{call['data']['n']}"
        client.track(call["user"], call["name"], call["data"], id=message_id)


def main() -> None:
    job = json.load(sys.stdin)
    client = CustomerIO(job["key"], "any", retries=12, backoff_factor=0.25)
    client.base_url = job["url"] + "/api/v1"
    for call in job["calls"]:
        send(client, call)


main()
