"""segment-analytics-python sends a plan from standard input."""

import json
import sys
from typing import Any

from segment.analytics.client import Client

ERRORS: list[str] = []


def send(client: Client, call: dict[str, Any]) -> Any:
    """One call of the SDK for one of the plan."""
    user, anonymous, data = call["user"], call["anonymous"], call["data"]
    match call["kind"]:
        case "identify":
            return client.identify(user, data)
        case "track":
            return client.track(user, call["name"], data, anonymous_id=anonymous)
        case "page":
            return client.page(user, name=call["name"], properties=data)
        case "screen":
            return client.screen(user, name=call["name"], properties=data)
        case "group":
            return client.group(user, call["group"], data)
        case _:
            return client.alias(call["previous"], user)


def main() -> None:
    job = json.load(sys.stdin)
    client = Client(
        job["key"],
        host=job["url"],
        gzip=job["mode"] == "gzip",
        upload_size=10,
        on_error=lambda error, _batch: ERRORS.append(repr(error)),
    )
    for call in job["calls"]:
        taken, _message = send(client, call)
        assert taken, call
    client.flush()
    client.join()
    sys.exit("\n".join(ERRORS) or 0)


main()
