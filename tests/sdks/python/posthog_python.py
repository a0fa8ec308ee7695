"""posthog sends a plan from standard input, by the old protocol or by `v1`."""

import json
import sys
from typing import Any

from posthog import Posthog

ERRORS: list[str] = []


def send(client: Posthog, call: dict[str, Any]) -> None:
    """One call of the SDK for one of the plan."""
    user, data = call["user"], call["data"]
    match call["kind"]:
        case "identify":
            client.set(distinct_id=user, properties=data)
        case "track":
            client.capture(call["name"], distinct_id=user, properties=data)
        case "page":
            client.capture("$pageview", distinct_id=user, properties=data)
        case "screen":
            named = {**data, "$screen_name": call["name"]}
            client.capture("$screen", distinct_id=user, properties=named)
        case "group":
            client.group_identify("club", call["group"], data, distinct_id=user)
        case _:
            client.alias(call["previous"], user)


def main() -> None:
    job = json.load(sys.stdin)
    client = Posthog(
        job["key"],
        host=job["url"],
        flush_at=10,
        max_retries=10,
        capture_mode=job["mode"],
        on_error=lambda error, _batch: ERRORS.append(repr(error)),
    )
    for call in job["calls"]:
        send(client, call)
    client.shutdown()
    sys.exit("\n".join(ERRORS) or 0)


main()
