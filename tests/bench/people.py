"""The people of profile's bench, and what they do: events made before the clock starts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event, Identifier, partition_key

CROWD = "bench"
PAIRS = "bench-pairs"
SIZES = "bench-sizes"
REGULARS = 500
START = datetime(2025, 1, 1, tzinfo=UTC)

Keyed = tuple[bytes, bytes]
"""A record of Kafka: its key and its value."""


def arrival(number: int) -> Event:
    """The first order of the person with a number: a user with an address and a device."""
    names = [*customer(number), ("anonymous_id", f"device-{number}")]
    return _event(CROWD, f"first-{number}", names, number)


def customer(number: int) -> list[Identifier]:
    """By what a person is named usually, the strongest first."""
    return [("user_id", f"u-{number}"), ("email", f"u-{number}@example.com")]


def visits(run: str, people: int, count: int) -> list[Event]:
    """Orders of people who are known, by identifiers that are known; each run's are its own."""
    chance = random.Random(run)
    drawn = (chance.randrange(people) for _ in range(count))
    return [
        _event(CROWD, f"{run}-{at}", customer(number), number) for at, number in enumerate(drawn)
    ]


def strangers(run: str, pairs: int) -> list[Event]:
    """Two for each pair: one who is known by an address, one by a device."""
    made = []
    for at in range(pairs):
        mail, device = _pair(run, at)
        made += [
            _event(PAIRS, f"{run}-mail-{at}", [mail], at),
            _event(PAIRS, f"{run}-device-{at}", [device], at),
        ]
    return made


def meetings(run: str, pairs: int) -> list[Event]:
    """An event for each pair that makes one person of the two."""
    return [_event(PAIRS, f"{run}-meet-{at}", [*_pair(run, at)], at) for at in range(pairs)]


def devices(size: int) -> list[Event]:
    """Events after which one person has so many identifiers."""
    return [
        _event(SIZES, f"size-{size}-{at}", _of_size(size, at), at) for at in range(max(1, size - 1))
    ]


def at_size(run: str, size: int, count: int) -> list[Event]:
    """Events of the person with so many identifiers, on devices that it has."""
    chance = random.Random(run)
    return [
        _event(SIZES, f"{run}-{size}-{at}", _of_size(size, chance.randrange(max(1, size - 1))), at)
        for at in range(count)
    ]


def with_traits(count: int) -> str:
    """The workspace that has so many computed traits."""
    return f"bench-traits-{count}"


def regulars(run: str, traits: int, count: int) -> list[Event]:
    """Orders of today, of the few people of a workspace with so many computed traits."""
    chance, today = random.Random(run), datetime.now(UTC) - START
    number = int(today.total_seconds()) - count
    workspace = with_traits(traits)
    return [
        _event(workspace, f"{run}-{at}", customer(chance.randrange(REGULARS)), number + at)
        for at in range(count)
    ]


def records(events: Iterable[Event], key: bytes) -> list[Keyed]:
    """What ingest would publish of events; `key` is the installation's identity key."""
    return [(partition_key(key, one.workspace, one.strongest()), encode(one)) for one in events]


def _of_size(size: int, device: int) -> list[Identifier]:
    user = ("user_id", f"size-{size}")
    return [user] if size == 1 else [user, ("anonymous_id", f"size-{size}-{device}")]


def _pair(run: str, at: int) -> tuple[Identifier, Identifier]:
    return ("email", f"{run}-{at}@example.com"), ("anonymous_id", f"{run}-{at}")


def _event(workspace: str, message_id: str, names: Sequence[Identifier], number: int) -> Event:
    at = START + timedelta(seconds=number)
    bought = {"order_id": message_id, "total": 5 + number % 40, "currency": "USD", "quantity": 1}
    return Event(
        workspace=workspace,
        source="bench",
        message_id=message_id,
        type="track",
        name="Order Completed",
        timestamp=at,
        received_at=at,
        identifiers=list(names),
        properties=msgspec.Raw(msgspec.json.encode(bought)),
        context=msgspec.Raw(b'{"locale":"de-AT","page":{"path":"/checkout"}}'),
    )
