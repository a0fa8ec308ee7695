"""Small words of the domain: the keys of messages, what servers say, tokens that are none."""

from datetime import UTC, datetime, timedelta

import pytest

from rapport_campaign.domain import facts, tokens
from rapport_campaign.domain.delivery import MAX_REASON, Outcome, next_step
from rapport_campaign.domain.model import EXPRESS, Claimed, NewMessage, send_key

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def new(kind: str, campaign: str | None) -> NewMessage:
    return NewMessage("acme", kind, "promotion", campaign, "entry-1", "p1")  # type: ignore[arg-type] # one of the kinds


def test_a_message_goes_into_the_queue_of_its_campaign_and_others_past_all_of_them() -> None:
    assert new("entry", "c1").queue == "c1"
    assert new("test", "c1").queue == new("request", None).queue == EXPRESS


def test_one_occasion_is_one_send_and_another_is_another() -> None:
    assert new("entry", "c1").send_key == send_key("acme", "c1", "entry-1", "p1")
    assert new("request", None).send_key == send_key("acme", "request", "entry-1", "p1")
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
    event = facts.withdrawn("acme", ("user_id", "42"), "key", "ada@example.com", NOON)
    assert (event.name, event.timestamp) == ("Consent Updated", NOON)
    assert event.identifiers == [("user_id", "42")]
    assert b"ada@example.com" in bytes(event.properties)


@pytest.mark.parametrize("text", ["", "ü", "a", "AA=A", "A" * 100_000, "A" * 300])
def test_what_was_never_signed_is_no_token(text: str) -> None:
    assert tokens.read(b"key", "click", text) is None
