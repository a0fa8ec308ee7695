"""Workspaces with so many computed traits each, of whose people profile's bench tells events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
from tests.bench import people

from rapport_local.credentials import operator_token

if TYPE_CHECKING:
    from tests.bench.place import Place

PATIENCE_SECONDS = 300.0
OF_ORDERS = 5
"""One trait in so many is of orders, which is what people do here; the others are of other events.
"""


def define(place: Place, count: int) -> None:
    """Have so many computed traits in the workspace for it, all filled; kept if they are there."""
    secret = place.stack.credentials().secret
    token = operator_token(secret, workspace=people.with_traits(count), installation=True)
    headers = {"Authorization": f"Bearer {token}"}
    url = place.stack.url("profile") + "/v1/computed-traits"
    with httpx.Client(headers=headers, timeout=30) as client:
        for number in range(count):
            body = {"definition": _definition(number), "version": 0, "reason": "bench"}
            answer = client.put(f"{url}/bench_{number}", json=body)
            if answer.status_code != httpx.codes.CONFLICT:
                answer.raise_for_status()
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while _live(client, url) < count:
            if time.perf_counter() > deadline:
                message = f"{count} computed traits were not filled in {PATIENCE_SECONDS:.0f} s"
                raise TimeoutError(message)
            time.sleep(0.5)


def _live(client: httpx.Client, url: str) -> int:
    answer = client.get(url, params={"limit": 200}).raise_for_status()
    return sum(one["stage"] == "live" for one in answer.json()["items"])


def _definition(number: int) -> dict[str, Any]:
    """Revenue of the last days from orders; or how often something else was done."""
    if number % OF_ORDERS:
        return {"aggregate": "count", "events": [{"event": f"Step {number}"}]}
    return {
        "aggregate": "sum",
        "kind": "money",
        "events": [{"event": "Order Completed"}],
        "value": {"property": "total"},
        "window": {"days": 30 + number},
    }
