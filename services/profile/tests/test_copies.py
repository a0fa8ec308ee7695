"""Which copies of an event are equal: what was stored before events had a list of names holds."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from services.profile.tests.people import START, event

from rapport_common.events.codec import encode
from rapport_common.events.envelope import Client, Event, Provenance
from rapport_common.events.envelope_v1 import EventV1, from_v1
from rapport_profile.domain.content import content_hash
from rapport_profile.store.inbox import stored_event

EXAMPLES = Path(__file__).parents[3] / "libs/common/examples/events/v1"
ONE = event("m", user_id="U", email="e@example.com", anonymous_id="x", name="Paid", at=-60)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda one: one.stem)
def test_a_copy_of_the_first_version_has_the_hash_that_is_stored(path: Path) -> None:
    old = msgspec.json.decode(path.read_bytes(), type=EventV1)
    epoch = START.replace(year=1970)
    hashed = replace(old, received_at=epoch, sequence=0)
    if old.timestamp == old.received_at:
        hashed = replace(hashed, timestamp=epoch)
    assert content_hash(from_v1(old)) == hashlib.blake2b(encode(hashed), digest_size=16).digest()


OTHER: dict[str, Any] = {
    "workspace": "v",
    "source": "till",
    "message_id": "n",
    "type": "page",
    "timestamp": START - timedelta(hours=2),
    "identifiers": [("user_id", "V")],
    "name": "Viewed",
    "previous_id": "x",
    "group_id": "g",
    "properties": msgspec.Raw(b'{"a":1}'),
    "traits": msgspec.Raw(b'{"a":1}'),
    "context": msgspec.Raw(b'{"a":1}'),
    "client": Client(os="iOS"),
    "provenance": Provenance(party="third"),
    "trust": "public",
    "currency": "EUR",
    "historic": True,
    "implausible_time": True,
}


def test_all_that_is_said_counts_but_when_it_came_and_where_it_stood() -> None:
    assert {*OTHER, "received_at", "sequence"} == set(Event.__struct_fields__)
    hashes = {content_hash(replace(ONE, **{name: value})) for name, value in OTHER.items()}
    assert len(hashes | {content_hash(ONE)}) == len(OTHER) + 1
    later = replace(ONE, received_at=ONE.received_at + timedelta(days=1), sequence=7)
    assert content_hash(later) == content_hash(ONE)


@pytest.mark.parametrize(
    "more", [("phone", "+4917012345678"), ("email", "f@example.com"), ("own", "1")]
)
def test_an_identifier_more_is_another_copy(more: tuple[str, str]) -> None:
    other = replace(ONE, identifiers=[*ONE.identifiers, more])
    assert content_hash(other) != content_hash(ONE)
    assert content_hash(replace(other, identifiers=[*other.identifiers, ("own", "2")])) not in {
        content_hash(other),
        content_hash(ONE),
    }


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda one: one.stem)
def test_the_timeline_is_read_in_both_forms(path: Path) -> None:
    old = path.read_text()
    found = stored_event(old)
    assert found == from_v1(msgspec.json.decode(old, type=EventV1))
    assert stored_event(encode(found).decode()) == found


def test_the_receipt_counts_where_something_depends_on_it() -> None:
    said = {
        "channel": "email",
        "purpose": "promotion",
        "contact_point": "a@b.de",
        "state": "granted",
    }
    one = event("y", name="Consent Updated", user_id="U", said=said, at=600, received=10)
    later = msgspec.structs.replace(one, received_at=one.received_at + timedelta(minutes=1))
    assert content_hash(one) != content_hash(later)


def test_the_same_event_in_another_batch_is_a_copy() -> None:
    """A sender that tries again sends at another time, and other events with it."""
    for stated in (event("m", user_id="U", received=5), event("m", user_id="U", at=60)):
        later = stated.received_at + timedelta(minutes=1)
        again = msgspec.structs.replace(stated, sequence=7, received_at=later)
        assert content_hash(stated) == content_hash(again)
    unstated = event("m", user_id="U", at=5, received=5)
    later = unstated.received_at + timedelta(minutes=1)
    again = msgspec.structs.replace(unstated, timestamp=later, received_at=later)
    assert content_hash(unstated) == content_hash(again)
