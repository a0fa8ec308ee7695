"""Small words of the domain: the keys of messages, what servers say, tokens that are none."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_campaign.domain import own_events, tokens
from rapport_campaign.domain.delivery import MAX_REASON, Outcome, next_step
from rapport_campaign.domain.macs import mac
from rapport_campaign.domain.model import EXPRESS, Claimed, NewMessage, send_key
from rapport_campaign.domain.storable import require_storable
from rapport_common.errors import InvalidEvent
from rapport_common.events.envelope import Event

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def new(kind: str, campaign: str | None) -> NewMessage:
    return NewMessage("acme", kind, "promotion", campaign, "entry-1", "p1")  # type: ignore[arg-type] # one of the kinds


def test_a_message_goes_into_the_queue_of_its_campaign_and_others_past_all_of_them() -> None:
    assert new("entry", "c1").queue == "c1"
    assert new("test", "c1").queue == new("request", None).queue == EXPRESS


def test_one_occasion_is_one_send_and_another_is_another() -> None:
    assert new("entry", "c1").send_key == send_key("acme", "c1", "entry-1")
    assert new("request", None).send_key == send_key("acme", "request", "entry-1")
    assert len({new("entry", "c1").send_key, new("entry", "c2").send_key}) == 2


def test_a_claimed_message_knows_its_row() -> None:
    claimed = Claimed(
        *("acme", "key", "entry", "promotion", "c1", "entry-1", "p1"),
        needed_version=1,
        to_address=None,
        attempt=1,
        waits=0,
        traceparent=None,
        waited=timedelta(0),
    )
    assert claimed.key == ("acme", "key")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, None),
        ("550\0 no \n such user", "550 no such user"),
        ("\ud800", "?"),
        ("x" * 10_000, "x" * MAX_REASON),
    ],
)
def test_what_a_server_says_can_be_stored(said: str | None, kept: str | None) -> None:
    step = next_step(Outcome("failed", said), attempt=1, max_attempts=3, first_delay=1, jitter=0.5)
    assert (step.state, step.reason) == ("failed", kept)


def test_an_unsubscribe_is_an_event_about_the_address() -> None:
    event = own_events.withdrawn("acme", ("user_id", "42"), "key", "ada@example.com", NOON)
    assert (event.name, event.timestamp) == ("Consent Updated", NOON)
    assert event.identifiers == [("user_id", "42")]
    assert b"ada@example.com" in bytes(event.properties)


def chosen(said: Mapping[str, str | None], at: datetime = NOON) -> Event:
    return own_events.chosen("acme", ("user_id", "42"), "ada@example.com", at, said)


def test_a_choice_on_the_page_is_a_consent_for_mail_to_the_address() -> None:
    said = {"purpose": "x_events", "state": "withdrawn", "method": "preferences", "ip_hash": None}
    event = chosen(said)
    assert (event.name, event.timestamp, event.identifiers) == (
        *("Consent Updated", NOON),
        [("user_id", "42")],
    )
    assert msgspec.json.decode(event.properties) == {
        "contact_point": "ada@example.com",
        "channel": "email",
        "legal_basis": "consent",
        "purpose": "x_events",
        "state": "withdrawn",
        "method": "preferences",
    }


def test_each_word_of_a_page_is_a_fact_of_its_own_and_told_again_is_the_same() -> None:
    yes = {"purpose": "promotion", "state": "granted"}
    others = [
        chosen(yes),
        chosen({**yes, "state": "withdrawn"}),
        chosen({**yes, "purpose": "x_events"}),
        chosen(yes, NOON + timedelta(microseconds=1)),
        own_events.chosen("acme", ("user_id", "42"), "bob@example.com", NOON, yes),
    ]
    assert len({one.message_id for one in others}) == len(others)
    assert chosen({**yes, "method": "preferences"}).message_id == others[0].message_id


def test_a_confirmed_yes_is_a_double_opt_in_and_is_told_once() -> None:
    said = {"contact_point": "ada@example.com", "purpose": "promotion", "ip_hash": None}
    event = own_events.opted_in("acme", ("email", "ada@example.com"), "o1", NOON, said)
    assert (event.name, event.message_id, event.timestamp) == (
        *("Consent Updated", "confirmed-o1"),
        NOON,
    )
    assert event.identifiers == [("email", "ada@example.com")]
    assert msgspec.json.decode(event.properties) == {
        "contact_point": "ada@example.com",
        "channel": "email",
        "purpose": "promotion",
        "state": "granted",
        "method": "double_opt_in",
        "legal_basis": "consent",
    }


@pytest.mark.parametrize("text", ["", "ü", "a", "AA=A", "A" * 100_000, "A" * 300])
def test_what_was_never_signed_is_no_token(text: str) -> None:
    assert tokens.read(b"key", "click", text) is None


def test_a_text_that_can_never_be_stored_names_its_record() -> None:
    require_storable(0, "any text", None, 1)
    with pytest.raises(InvalidEvent) as caught:
        require_storable(3, "any text", "a\0b")
    assert caught.value.index == 3


@given(st.binary(max_size=150), st.binary(max_size=200))
def test_a_mac_is_that_of_the_standard(key: bytes, message: bytes) -> None:
    assert mac(key, message) == hmac.digest(key, message, "sha256")
