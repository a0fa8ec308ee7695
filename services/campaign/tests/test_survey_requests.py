"""Requests that ask people something: nobody who has said no to it, and each mail has a way out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from rapport_campaign.domain.channel_permission import decide_by
from rapport_campaign.domain.model import SERVICE, SURVEY, Person, State
from rapport_campaign.domain.permission import (
    LISTED,
    OBJECTED,
    SUPPRESSED,
    UNKNOWN,
    PermissionPolicy,
    Send,
    Suppress,
    Verdict,
    Wait,
    decide,
)
from rapport_campaign.domain.suppressions import Entry, Place
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ComputedState, ConsentState, IdentifierState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
ADA, PHONE = "ada@example.com", "+491701234567"


def said(state: str, **more: Any) -> ConsentState:
    fields = {
        "contact_point": ADA,
        "channel": "email",
        "purpose": "survey",
        "at": NOON,
        "source": "shop",
        **more,
    }
    return ConsentState(state=state, **fields)  # type: ignore[arg-type] # words


def person(*consent: ConsentState, **more: Any) -> Person:
    points = [
        ContactPoint(channel="email", value=ADA),
        ContactPoint(channel="sms", value=PHONE),
    ]
    state = State(
        identifiers=[IdentifierState("email", ADA)],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(),
        consent=list(consent),
        contact_points=points,
        restraints=more.get("restraints", []),
    )
    return Person("p1", 1, state)


def verdict(whose: Person | None, **more: Any) -> Verdict:
    given: dict[str, Any] = {
        "kind": "request",
        "purpose": SURVEY,
        "to_address": ADA,
        "waited": timedelta(0),
        "policy": PermissionPolicy(),
        "suppressions": {},
        "now": LATER,
        **more,
    }
    return decide(person=whose, **given)


def test_no_yes_is_needed_and_a_no_to_promotions_is_none_to_surveys() -> None:
    assert verdict(person()) == Send(ADA)
    assert verdict(person(said("withdrawn", purpose="promotion"))) == Send(ADA)
    assert verdict(person(said("withdrawn", channel="sms"))) == Send(ADA)
    elsewhere = said("withdrawn", contact_point="bob@example.com")
    assert verdict(person(elsewhere)) == Send(ADA)


@pytest.mark.parametrize(
    "word",
    [
        said("withdrawn"),
        said("denied", purpose="Feedback"),
        said("withdrawn", purpose="all"),
        said("denied", channel="all", contact_point=PHONE),
        said("withdrawn", channel="all", purpose="all", contact_point=PHONE),
    ],
)
def test_a_no_to_surveys_or_to_all_is_heard_unless_a_yes_is_younger(word: ConsentState) -> None:
    no = Suppress(f"consent {word.state}")
    assert verdict(person(word)) == no
    assert verdict(person(word), purpose=SERVICE) == Send(ADA)
    yes = said("granted", at=LATER)
    assert verdict(person(word, yes)) == Send(ADA)
    assert verdict(person(msgspec.structs.replace(yes, at=NOON), word)) == no


def test_objections_lists_and_strangers() -> None:
    assert verdict(person(restraints=["marketing"])) == Suppress(OBJECTED)
    assert verdict(None) == Wait(UNKNOWN)
    assert verdict(None, waited=timedelta(days=1)) == Suppress(UNKNOWN)
    of_others = [(ADA, SURVEY, "withdrawn")]
    assert verdict(person(), objections=of_others) == Suppress("consent withdrawn")
    assert verdict(person(), objections=[(ADA, "promotion", "denied")]) == Send(ADA)
    everything = {ADA: Entry(Place("email", ADA, "all"), "", "ann", NOON)}
    offers = {ADA: Entry(Place("email", ADA, "promotion"), "", "ann", NOON)}
    no = verdict(person(), listings=everything)
    assert isinstance(no, Suppress)
    assert no.reason == LISTED
    assert verdict(person(), listings=offers) == Send(ADA)


def test_who_has_unsubscribed_from_surveys_is_asked_again_after_a_yes_only() -> None:
    out = {(ADA, SURVEY): NOON}
    assert verdict(person(), suppressions=out) == Suppress(SUPPRESSED)
    assert verdict(person(said("granted", at=LATER)), suppressions=out) == Send(ADA)
    assert verdict(person(), suppressions={(ADA, "promotion"): NOON}) == Send(ADA)
    assert verdict(person(), purpose=SERVICE, suppressions=out) == Send(ADA)


def test_by_text_message_the_words_about_texts_count() -> None:
    def by_text(whose: Person) -> Verdict:
        return decide_by(
            "sms",
            purpose=SURVEY,
            waited=timedelta(0),
            person=whose,
            policy=PermissionPolicy(),
            suppressions={},
            now=LATER,
        )

    assert by_text(person()) == Send(PHONE)
    assert by_text(person(said("withdrawn"))) == Send(PHONE)
    no = said("withdrawn", channel="sms", contact_point=PHONE)
    assert by_text(person(no)) == Suppress("consent withdrawn")
    assert by_text(person(restraints=["marketing"])) == Suppress(OBJECTED)


@pytest.mark.integration
async def test_the_way_out_of_a_survey_ends_surveys_and_nothing_else(scenario: Any) -> None:
    await scenario.topics.person("p1", ADA, user_id="u1", consent=None)
    page = '<a href="{{ data.url }}?score=9">9</a> <a href="{{ unsubscribe_url }}">no more</a>'
    asked: dict[str, Any] = {
        "purpose": "survey",
        "html": page,
        "text": "{{ data.url }} {{ unsubscribe_url }}",
        "subject": "Would you recommend us?",
        "data": msgspec.Raw(b'{"url": "https://feedback.example.com/s/t"}'),
    }
    await scenario.topics.requested("r1", **asked)
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 1}
    (mail,) = scenario.mail_server.mails
    told = mail.get_body(("html",)).get_content()
    assert 'href="https://feedback.example.com/s/t?score=9"' in told, "links are not tracked"
    way_out = mail["List-Unsubscribe"].strip("<>")
    assert way_out in told
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = re.sub(r"^https?://[^/]+", "", way_out)
    shown = await scenario.client.get(path)
    assert "surveys" in shown.text
    assert "promotional" not in shown.text
    done = await scenario.client.post(path)
    assert done.status_code == 200
    assert "surveys" in done.text
    events = await scenario.ledger.events()
    word = msgspec.json.decode(events[-1].properties)
    assert (word["purpose"], word["state"]) == ("survey", "withdrawn")
    await scenario.topics.requested("r2", **asked)
    await scenario.topics.requested("r3")
    async with scenario.sending():
        assert await scenario.settled() == {"sent": 2, "suppressed": 1}
    reasons = {row["occasion"]: row["reason"] for row in await scenario.ledger.rows()}
    assert reasons["r2"] == SUPPRESSED
