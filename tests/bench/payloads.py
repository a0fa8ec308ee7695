"""Requests built before the clock starts; per send only a counter is filled in."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MARK = "@COUNTER"  # as long as what replaces it, so Content-Length holds
PRODUCTS = ("kind-of-blue", "blue-train", "head-hunters", "time-out")


@dataclass(frozen=True)
class Template:
    """A request cut at the places where the counter goes, so that each message id is new."""

    pieces: tuple[bytes, ...]
    events: int

    def render(self, counter: int) -> bytes:
        """Return the request's bytes for one send."""
        return (b"%08x" % counter).join(self.pieces)


AGENTS = (
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/142.0.0.0 Safari/537.36"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)


def batches(write_key: str, *, count: int, size: int, first: int = 0) -> list[Template]:
    """Return `count` requests to /v1/batch with `size` events of `count * size` people, from the
    `first` on.
    """
    found = []
    for number in range(count):
        events = [_event(first + number * size + index, index) for index in range(size)]
        found.append(_template("/v1/batch", write_key, {"batch": events, "sentAt": _now()}, size))
    return found


def crowd(write_key: str, *, size: int) -> Template:
    """Return a request with `size` events of one user, each on a device of its own."""
    events = [
        {**_event(0, index, prefix="till-"), "anonymousId": f"device-{MARK}-{index}"}
        for index in range(size)
    ]
    return _template("/v1/batch", write_key, {"batch": events, "sentAt": _now()}, size)


def singles(write_key: str, *, people: int) -> list[Template]:
    """Return one request to /v1/track per person."""
    return [_template("/v1/track", write_key, _event(person, 0), 1) for person in range(people)]


def newcomer(write_key: str, number: int, timestamp: str) -> bytes:
    """Return the request for the first order of somebody new."""
    event = {**_event(number, 0, prefix="new-"), "timestamp": timestamp}
    return _template("/v1/track", write_key, event, 1).render(number)


def _event(person: int, index: int, prefix: str = "u-") -> dict[str, Any]:
    user = f"{prefix}{person}"
    context = {
        "traits": {"email": f"{user}@example.com"},
        "page": {"path": "/checkout"},
        "locale": "de-AT",
        "userAgent": AGENTS[person % len(AGENTS)],
        "ip": f"198.51.100.{person % 256}",
    }
    return {
        "type": "track",
        "messageId": f"{prefix}{MARK}-{index}",
        "userId": user,
        "event": "Order Completed",
        "properties": {
            "total": 5 + person % 40,
            "currency": "USD",
            "quantity": 1 + person % 3,
            "product_id": PRODUCTS[person % len(PRODUCTS)],
        },
        "timestamp": _now(),
        "context": context,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _template(path: str, write_key: str, body: dict[str, Any], events: int) -> Template:
    content = json.dumps(body, separators=(",", ":"))
    secret = base64.b64encode(f"{write_key}:".encode()).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return Template(tuple((head + content).encode().split(MARK.encode())), events)
