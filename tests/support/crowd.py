"""A crowd's history, made up by a seed, and what it must come to (the reference model)."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from tests.support.workspace import address

ORDERS_EACH = 9
REACHED = Decimal(100)
RULE = {"computed": "revenue", "currency": "USD", "op": "gte", "value": str(REACHED)}
REPEATED = 0.01


@dataclass(frozen=True)
class Crowd:
    """Events in the order they are sent, some of them twice, and each person's money."""

    events: list[dict[str, Any]]
    spent: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, people: int, seed: int) -> Self:
        """Make the events of so many people: a visit without a name, a sign-in, their orders."""
        chance = random.Random(seed)
        start = datetime.now(UTC) - timedelta(hours=1)
        spent: dict[str, Decimal] = defaultdict(Decimal)
        events = []
        for number in range(people):
            user = f"u-{number}"
            events += _visit(user)
            for order in range(ORDERS_EACH):
                total = Decimal(chance.randrange(100, 2200)) / 100
                spent[user] += total
                events.append(_order(user, order, total))
        for number, event in enumerate(events):
            event["timestamp"] = (start + timedelta(milliseconds=number)).isoformat()
        events += chance.choices(events, k=int(len(events) * REPEATED))
        chance.shuffle(events)
        return cls(events, dict(spent))

    @property
    def ids(self) -> set[str]:
        """All message ids."""
        return {event["messageId"] for event in self.events}

    @property
    def revenue(self) -> Decimal:
        """What all have spent."""
        return sum(self.spent.values(), Decimal(0))

    @property
    def members(self) -> set[str]:
        """The user ids of those whom `RULE` lets in."""
        return {user for user, total in self.spent.items() if total >= REACHED}

    def batches(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """The events in requests of `size`."""
        for start in range(0, len(self.events), size):
            yield self.events[start : start + size]


def _visit(user: str) -> list[dict[str, Any]]:
    visit = f"visit-{user}"
    return [
        {"type": "page", "messageId": f"{user}-page", "anonymousId": visit, "name": "Home"},
        {"type": "identify", "messageId": f"{user}-in", "anonymousId": visit, "userId": user},
    ]


def _order(user: str, number: int, total: Decimal) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": f"{user}-{number}",
        "userId": user,
        "event": "Order Completed",
        "properties": {"total": str(total), "currency": "USD"},
        "context": {"traits": {"email": address(user)}},
    }
