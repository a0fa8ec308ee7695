"""Who gets what, as pure functions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rapport_campaign.domain import own_events, tokens
from rapport_campaign.domain.addresses import addresses_of, envelope_address, sender_address
from rapport_campaign.domain.delivery import MAX_DELAY_SECONDS, Outcome, backoff, moments, next_step
from rapport_campaign.domain.model import Campaign, Entry, Person, State, send_key
from rapport_campaign.domain.permission import (
    GIVE_UP_AFTER,
    PermissionPolicy,
    Send,
    Suppress,
    Wait,
    decide,
    promotion,
)
from rapport_campaign.domain.planning import plan_entry, plan_existing
from rapport_campaign.domain.tokens import Token
from rapport_campaign.settings import Settings
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import (
    ComputedState,
    ConsentState,
    IdentifierState,
)
from rapport_common.testing.credentials import KEY_SETTINGS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=10)
PASSED = {"by_time": True, "event_timestamp": None}
STANDARD = PermissionPolicy()
OPEN_DOOR = PermissionPolicy(promotion_without_consent=True)


def campaign(**changes: Any) -> Campaign:
    fields: dict[str, Any] = {
        "workspace": "acme",
        "campaign_id": "c1",
        "name": "n",
        "segment_id": "s1",
        "purpose": "promotion",
        "from_address": "a@b.example",
        "subject": "s",
        "html": "h",
        "text": None,
        "allow_old_events": False,
        "include_existing": False,
        "state": "running",
        "created_at": NOON,
        "started_at": NOON,
    }
    return Campaign(**{**fields, **changes})


def entry(**changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "workspace": "acme",
        "segment_id": "s1",
        "profile_id": "p1",
        "entry_id": "e1",
        "profile_version": 4,
        "cause": "event",
        "at": NOON + timedelta(hours=1),
        "event_timestamp": NOON,
    }
    return Entry(**{**fields, **changes})


def state(*emails: str, consent: dict[str, str] | None = None, **more: Any) -> State:
    said = [
        ConsentState(
            contact_point=point,
            channel="email",
            purpose="promotion",
            state=word,  # type: ignore[arg-type] # one of the three
            at=NOON,
            source="shop",
        )
        for point, word in (consent or {}).items()
    ]
    return State(
        identifiers=[IdentifierState("email", one) for one in emails],
        contact_points=[ContactPoint(channel="email", value=one) for one in emails],
        traits=msgspec.Raw(msgspec.json.encode(more.get("traits", {}))),
        computed=ComputedState(open_cases=more.get("open_cases", 0)),
        consent=said,
    )


# --- planning --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("campaign_changes", "entry_changes", "planned"),
    [
        ({}, {}, "planned"),
        ({"state": "paused"}, {}, "planned"),
        ({"state": "draft", "started_at": None}, {}, None),
        ({}, {"at": NOON - timedelta(seconds=1)}, None),
        ({"include_existing": True}, {"at": NOON - timedelta(seconds=1)}, "planned"),
        ({}, {"cause": "definition"}, None),
        ({"include_existing": True}, {"cause": "definition"}, "planned"),
        ({}, {"cause": "merge", "event_timestamp": None}, "suppressed"),
        ({}, {"historic": True}, "suppressed"),
        ({}, {"restored": True}, "suppressed"),
        ({"allow_old_events": True}, {"restored": True}, "suppressed"),
        ({"allow_old_events": True}, {"cause": "merge"}, "planned"),
        ({"allow_old_events": True}, {"historic": True}, "planned"),
        ({}, {"event_timestamp": NOON - timedelta(hours=23)}, "planned"),
        ({}, {"event_timestamp": NOON - timedelta(hours=23, seconds=1)}, "suppressed"),
        ({"allow_old_events": True}, {"event_timestamp": NOON - timedelta(days=9999)}, "planned"),
        ({}, {**PASSED, "at": LATER - timedelta(hours=24)}, "planned"),
        ({}, {**PASSED, "at": LATER - timedelta(hours=24, seconds=1)}, "suppressed"),
        ({"allow_old_events": True}, {**PASSED, "at": LATER - timedelta(days=9)}, "planned"),
        # Its event is new: how late it is looked at is no matter.
        ({}, dict.fromkeys(("at", "event_timestamp"), LATER - timedelta(days=9)), "planned"),
    ],
)
def test_which_entries_call_for_a_message(
    campaign_changes: dict[str, Any], entry_changes: dict[str, Any], planned: str | None
) -> None:
    found = plan_entry(
        campaign(**campaign_changes), entry(**entry_changes), profile_id="p1", now=LATER
    )
    assert (found.state if found else None) == planned


@pytest.mark.parametrize(
    ("entry_changes", "planned"),
    [
        ({"event_timestamp": NOON - timedelta(seconds=1)}, "uncertain"),
        ({"event_timestamp": NOON}, "planned"),
        ({"event_timestamp": None, "at": NOON}, "planned"),
        # It is worked out after the restore, and happened before.
        ({"event_timestamp": NOON - timedelta(hours=1), "at": NOON + timedelta(1)}, "uncertain"),
    ],
)
@pytest.mark.parametrize("old_too", [True, False])
def test_what_happened_before_a_restore_may_have_had_its_mail(
    entry_changes: dict[str, Any], planned: str, *, old_too: bool
) -> None:
    of = campaign(allow_old_events=old_too, started_at=NOON - timedelta(days=1))
    found = plan_entry(of, entry(**entry_changes), profile_id="p1", now=LATER, restored_at=NOON)
    assert found is not None
    assert found.state == planned


def test_who_had_a_broadcast_before_a_restore_nobody_knows() -> None:
    pairs = [(entry(entry_id="e1"), "p1")]
    for started, state in ((NOON, "planned"), (NOON - timedelta(seconds=1), "uncertain")):
        (found,) = plan_existing(campaign(started_at=started), pairs, (), NOON)
        assert found.state == state


def test_a_version_is_needed_only_of_the_profile_it_counts_in() -> None:
    same = plan_entry(campaign(), entry(), profile_id="p1", now=LATER)
    merged = plan_entry(campaign(), entry(), profile_id="p2", now=LATER)
    assert same
    assert merged
    assert (same.needed_version, merged.needed_version) == (4, 0)


def test_existing_people_are_planned_once_each() -> None:
    pairs = [
        (entry(entry_id="e1"), "p2"),
        (entry(entry_id="e2"), "p2"),
        (entry(entry_id="e4", event_timestamp=NOON - timedelta(days=99)), "p4"),
    ]
    found = list(plan_existing(campaign(), pairs, {"e2"}))
    assert [one.state for one in found] == ["planned", "suppressed", "planned"]


@given(st.lists(st.text(max_size=8), min_size=3, max_size=3), st.data())
def test_send_keys_differ_when_anything_differs(parts: list[str], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.text(max_size=8), min_size=3, max_size=3))
    assert (send_key(*parts) == send_key(*other)) is (parts == other)
    assert len(send_key(*parts)) == 64


# --- permission ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "policy", "verdict"),
    [
        (
            state("a@x.example", consent={"a@x.example": "granted"}),
            STANDARD,
            Send("a@x.example"),
        ),
        (
            state("a@x.example", consent={"A@X.example ": "granted"}),
            STANDARD,
            Send("a@x.example"),
        ),
        (state("a@x.example"), STANDARD, Suppress("no consent")),
        (state("a@x.example"), OPEN_DOOR, Send("a@x.example")),
        (
            state("a@x.example", consent={"a@x.example": "withdrawn"}),
            OPEN_DOOR,
            Suppress("consent withdrawn"),
        ),
        (
            state("a@x.example", "b@x.example", consent={"b@x.example": "granted"}),
            STANDARD,
            Send("b@x.example"),
        ),
        (
            state("a@x.example", "b@x.example", consent={"b@x.example": "denied"}),
            OPEN_DOOR,
            Suppress("no consent"),
        ),
        (
            state("a@x.example", consent={"gone@x.example": "withdrawn"}),
            OPEN_DOOR,
            Suppress("no consent"),
        ),
        (
            state("a@x.example", consent={"a@x.example": "granted"}, open_cases=1),
            OPEN_DOOR,
            Suppress("open complaint"),
        ),
        (state(), OPEN_DOOR, Suppress("no e-mail address")),
        (state("not an address"), OPEN_DOOR, Suppress("no e-mail address")),
    ],
)
def test_promotion(person: State, policy: PermissionPolicy, verdict: object) -> None:
    assert promotion(person, policy, {}, now=NOON) == verdict


@pytest.mark.parametrize(
    ("suppressed_at", "verdict"),
    [
        (NOON + timedelta(seconds=1), Suppress("unsubscribed")),
        (NOON, Suppress("unsubscribed")),
        (NOON - timedelta(seconds=1), Send("a@x.example")),
    ],
)
def test_only_a_younger_yes_takes_an_unsubscribe_back(
    suppressed_at: datetime, verdict: object
) -> None:
    person = state("a@x.example", consent={"a@x.example": "granted"})
    assert (
        promotion(person, STANDARD, {("a@x.example", "promotion"): suppressed_at}, now=NOON)
        == verdict
    )


def test_an_unsubscribe_closes_the_open_door_for_all_addresses() -> None:
    person = state("a@x.example", "b@x.example")
    suppressed = {("b@x.example", "promotion"): NOON}
    assert promotion(person, OPEN_DOOR, suppressed, now=NOON) == Suppress("no consent")  # type: ignore[arg-type] # literals


def verdict_on(**changes: Any) -> object:
    fields: dict[str, Any] = {
        "kind": "entry",
        "purpose": "promotion",
        "to_address": None,
        "waited": timedelta(),
        "person": None,
        "policy": STANDARD,
        "suppressions": {},
        "now": NOON,
    }
    return decide(**{**fields, **changes})


def test_unknown_people_are_waited_for_but_not_for_ever() -> None:
    gone = Person("p1", 3, None)
    assert verdict_on() == Wait("profile unknown")
    assert verdict_on(person=gone) == Wait("profile unknown")
    assert verdict_on(waited=GIVE_UP_AFTER) == Suppress("profile unknown")


def test_an_entry_is_asked_for_its_consent_at_each_attempt() -> None:
    person = Person("p1", 1, state("a@x.example", consent={"a@x.example": "withdrawn"}))
    verdict = verdict_on(to_address="a@x.example", person=person)
    assert verdict == Suppress("consent withdrawn")


def test_service_mail_needs_an_address_and_no_consent() -> None:
    person = Person("p1", 1, state("a@x.example", "b@x.example", open_cases=3))
    suppressed = {("a@x.example", "service"): NOON}
    assert verdict_on(purpose="service", person=person) == Send("a@x.example")
    only_b = verdict_on(purpose="service", person=person, suppressions=suppressed)
    assert only_b == Send("b@x.example")
    request = {"kind": "request", "purpose": "service"}
    assert verdict_on(**request, to_address="Q@x.example") == Send("q@x.example")
    refused = verdict_on(**request, to_address="A@x.example", suppressions=suppressed)
    assert refused == Suppress("unsubscribed")
    assert verdict_on(**request, to_address="nobody") == Suppress("no e-mail address")


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("a@b", "a@b"),
        ("a b@example.com", None),
        ("a@example.com\r\nBcc: x@example.com", None),
        ("a@example.com, b@example.com", None),
        ("<a@example.com>", None),
        (".a@example.com", None),
        ("", None),
        ("a" * 250 + "@example.com", None),
    ],
)
def test_envelope_addresses(text: str, found: str | None) -> None:
    assert envelope_address(text) == found


def test_senders_have_one_form() -> None:
    assert sender_address("hello@shop.example") == "hello@shop.example"
    assert sender_address("The Shop <hello@shop.example>") == "The Shop <hello@shop.example>"
    assert sender_address(" Bücher  <hello@Shop.example> ") == "Bücher <hello@shop.example>"
    assert sender_address("Shop: News <hello@shop.example>") == '"Shop: News" <hello@shop.example>'
    assert sender_address('"A \\"b\\" <x>" <a@x.example>') == r'"A \"b\" <x>" <a@x.example>'
    for bad in ("nobody", "a@x.example\nBcc: b@x.example", "Shop <a@x.example>, b@x.example", ""):
        with pytest.raises(ValueError, match="not an address"):
            sender_address(bad)


def test_addresses_are_distinct_and_in_their_order() -> None:
    person = state("b@x.example", "a@x.example", "B@x.example")
    assert [one.value for one in addresses_of(person)] == ["b@x.example", "a@x.example"]


# --- tokens ----------------------------------------------------------------------------------

KEY = b"k" * 32
TOKEN = Token("acme", "ab" * 32, "cd" * 12)


def test_a_target_has_one_id_in_its_campaign() -> None:
    shop = "https://shop.example.com/?a=1"
    places = [("c1", shop), ("c2", shop), ("c1", f"{shop}#x")]
    ids = [tokens.link_id(*one) for one in places]
    assert [tokens.link_id(*one) for one in places] == ids
    assert len(set(ids)) == len(ids)
    token = Token("acme", "ab" * 32, ids[0])
    assert tokens.read(KEY, "click", tokens.sign(KEY, "click", token)) == token


def test_a_token_reads_back_for_its_use_only() -> None:
    text = tokens.sign(KEY, "click", TOKEN)
    assert tokens.read(KEY, "click", text) == TOKEN
    assert tokens.read(KEY, "open", text) is None
    assert tokens.read(b"x" * 32, "click", text) is None


@given(st.integers(min_value=0), st.characters())
def test_no_changed_token_is_read(position: int, character: str) -> None:
    text = tokens.sign(KEY, "click", TOKEN)
    at = position % len(text)
    changed = text[:at] + character + text[at + 1 :]
    assert tokens.read(KEY, "click", changed) == (TOKEN if changed == text else None)


@given(st.text())
def test_no_text_is_a_token(text: str) -> None:
    assert tokens.read(KEY, "unsubscribe", text) is None


# --- after an attempt ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "attempt", "state_after", "counts"),
    [
        ("sent", 1, "sent", True),
        ("failed", 1, "failed", True),
        ("uncertain", 1, "uncertain", True),
        ("retry", 1, "planned", True),
        ("retry", 3, "failed", True),
        ("released", 99, "planned", False),
    ],
)
def test_next_step(result: Any, attempt: int, state_after: str, counts: bool) -> None:  # noqa: FBT001 - a column
    step = next_step(
        Outcome(result, "said\0so\ud800"), attempt=attempt, max_attempts=3, first_delay=2, jitter=0
    )
    assert (step.state, step.counts) == (state_after, counts)
    assert step.reason is not None
    assert "\0" not in step.reason
    assert step.reason.encode()


@given(st.integers(1, 500), st.floats(0, 0.999))
def test_delays_are_bounded(attempt: int, jitter: float) -> None:
    assert 0 < backoff(attempt, 2, jitter) <= MAX_DELAY_SECONDS * 1.5


# --- events ----------------------------------------------------------------------------------


def test_events_name_one_identifier_only() -> None:
    person = State(
        identifiers=[IdentifierState("email", "a@x.example"), IdentifierState("user_id", "u1")],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(),
    )
    who = own_events.identity(person, "a@x.example")
    event = own_events.sent("acme", who, "ab", None, NOON)
    assert event.identifiers == [("user_id", "u1")]
    assert own_events.identity(None, "A@x.example") == ("email", "a@x.example")


@given(timeout=st.floats(0.1, 300), lease=st.floats(3, 100))
def test_what_is_rendered_in_time_can_be_begun_and_no_mail_outlives_its_lease(
    timeout: float, lease: float
) -> None:
    render, begin = moments(lease * timeout, timeout)
    assert 0 < render <= begin / 2
    assert begin + 2 * timeout <= lease * timeout * 1.000001


@pytest.mark.parametrize(("lease", "good"), [(60, False), (89, False), (90, True), (120, True)])
def test_a_lease_leaves_time_to_render_and_to_hand_over(lease: float, *, good: bool) -> None:
    told: dict[str, Any] = {"lease_seconds": lease, "smtp_timeout": 30, "smtp_port": 25}
    needed: dict[str, Any] = {
        "database_url": "postgresql://u:p@127.0.0.1/d",
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "port": 1,
        "metrics_port": 2,
        **KEY_SETTINGS,
    }
    if good:
        assert Settings(**needed, **told).lease_seconds == lease
    else:
        with pytest.raises(ValidationError, match="three times"):
            Settings(**needed, **told)
