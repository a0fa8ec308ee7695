"""What the rules of a workspace say of one message, and the sentence that tells it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from rapport_campaign.domain import permission
from rapport_campaign.domain.caps import Cap, Period
from rapport_campaign.domain.contact_rules import ContactRules, Detractors
from rapport_campaign.domain.contacting import (
    Candidate,
    Rivals,
    by_itself,
    capped,
    gives_way,
    in_turn,
    same_address,
)
from rapport_campaign.domain.explaining import Told, sentence
from rapport_campaign.domain.facts import Facts
from rapport_campaign.domain.model import Campaign, Claimed, Person, Purpose, State
from rapport_campaign.domain.permission import (
    LISTED,
    PermissionPolicy,
    Send,
    Suppress,
    Wait,
    decide,
)
from rapport_campaign.domain.preferences import Known, declined
from rapport_campaign.domain.quiet_hours import Window
from rapport_campaign.domain.suppressions import Entry, Place
from rapport_campaign.domain.zones import clock_of
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import ComputedState, ConsentState, DefinedValue

NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)
ADA, WORK = "ada@example.com", "ada@work.example"
NIGHT = (Window(since="20:00", until="08:00"),)
DAILY = Cap(id="daily", at_most=2, period=Period(days=1), purpose="promotion")
MONTHLY = Cap(id="monthly", at_most=3, period=Period(this="month"))


def person(*consent: ConsentState, **traits: Any) -> Person:
    defined = {"nps": DefinedValue(number="3")}
    state = State(
        identifiers=[],
        traits=msgspec.Raw(msgspec.json.encode(traits)),
        computed=ComputedState(defined=defined),
        contact_points=[ContactPoint(channel="email", value=one) for one in (ADA, WORK)],
        consent=list(consent),
    )
    return Person("p1", 1, state)


def candidate(
    rules: ContactRules, purpose: Purpose = "promotion", who: Person | None = None, **more: Any
) -> Candidate:
    claimed = Claimed(
        workspace="acme",
        send_key=more.pop("send_key", "k"),
        kind="entry",
        purpose=purpose,
        campaign_id="c",
        occasion="e",
        profile_id="p1",
        needed_version=0,
        to_address=None,
        attempt=0,
        waits=0,
        traceparent=None,
        waited=timedelta(),
    )
    declines = more.pop("declined", False)
    campaign = Campaign(
        workspace="acme",
        campaign_id="c",
        name="n",
        segment_id="s",
        purpose=purpose,
        from_address="a@b.example",
        subject="s",
        html="h",
        text=None,
        allow_old_events=False,
        include_existing=False,
        state="running",
        created_at=NOON,
        **more,
    )
    whose = who or person()
    clock = clock_of(whose.state, rules.timezone)
    return Candidate(claimed, whose, campaign, ADA, rules, clock, declined=declines)


def told(state: Any, reason: str | None = None, facts: Facts | None = None, **more: Any) -> str:
    given: dict[str, Any] = {"attempt": 0, "sent_at": None, **more}
    later = NOON + timedelta(hours=1)
    return sentence(Told(state, reason, facts, planned_at=NOON, due_at=later, **given))


def test_a_promotion_to_whom_nobody_knows_is_held_back_by_nothing_of_theirs() -> None:
    one = candidate(ContactRules(detractors=Detractors(computed="nps")))
    unknown = replace(one, person=replace(one.person, state=None))
    assert by_itself(one, NOON) is not None
    assert by_itself(unknown, NOON) is None
    glad = ContactRules(detractors=Detractors(computed="another"))
    assert by_itself(replace(one, rules=glad), NOON) is None


def test_what_waits_for_others_has_no_time() -> None:
    waits = Told("planned", "quiet hours", None, 0, NOON, None, None)
    assert sentence(waits) == "It waits: quiet hours."


def test_what_is_final_is_told_before_what_only_waits() -> None:
    rules = ContactRules(
        quiet_hours=(Window(since="10:00", until="14:00"),),
        detractors=Detractors(computed="nps"),
    )
    verdict = by_itself(candidate(rules), NOON)
    assert verdict == Suppress("recent detractor", Facts("nps", more={"n": "3"}))
    verdict = by_itself(candidate(rules, "service", declined=True, topic="events"), NOON)
    assert verdict == Suppress("topic not wanted", Facts("events"))
    verdict = by_itself(candidate(rules, "service"), NOON)
    assert isinstance(verdict, Wait)
    assert verdict.until == NOON + timedelta(hours=2)
    assert by_itself(candidate(rules, "service", quiet_hours=()), NOON) is None
    own = candidate(ContactRules(), "service", quiet_hours=rules.quiet_hours)
    verdict = by_itself(own, NOON)
    assert isinstance(verdict, Wait)
    assert "the campaign's quiet hours" in told("planned", verdict.reason, verdict.facts)


def test_quiet_is_by_the_persons_clock_and_a_bad_zone_is_told() -> None:
    rules = ContactRules(quiet_hours=NIGHT, timezone="UTC")
    tokyo = candidate(rules, "service", person(timezone="Asia/Tokyo"))
    verdict = by_itself(tokyo, NOON)
    assert isinstance(verdict, Wait)
    assert verdict.until == datetime(2026, 3, 18, 23, tzinfo=UTC)
    said = told("planned", verdict.reason, verdict.facts)
    assert said == (
        "It waits: the workspace's quiet hours until 2026-03-18 23:00 UTC, by the clock of "
        "Asia/Tokyo; it is looked at again on 2026-03-18 13:00 UTC."
    )
    bad = candidate(rules, "service", person(timezone="Mars/Base"))
    verdict = by_itself(bad, NOON + timedelta(hours=9))
    assert verdict is not None
    assert not isinstance(verdict, Send)
    assert "UTC (their own time zone is none" in told("planned", verdict.reason, verdict.facts)


def test_of_two_caps_that_are_used_up_the_one_that_holds_longer_is_told() -> None:
    one = candidate(ContactRules(caps=(DAILY, MONTHLY)))
    twice = [NOON - timedelta(hours=1)] * 2
    uses = {("acme", "p1", "daily"): twice, ("acme", "p1", "monthly"): [*twice, NOON]}
    refusal = capped(one, uses, NOON)
    assert refusal is not None
    assert told("suppressed", refusal.reason, refusal.facts) == (
        "It was not sent: frequency cap \u201cmonthly\u201d: 3 of 3 this month, next possible on "
        "2026-04-01 00:00 UTC."
    )
    del uses["acme", "p1", "monthly"]
    refusal = capped(one, uses, NOON)
    assert refusal is not None
    assert refusal.facts is not None
    assert refusal.facts.rule == "daily"
    assert one.counted_since(DAILY, NOON) == NOON - timedelta(days=1)
    service = candidate(ContactRules(caps=(DAILY,)), "service")
    assert capped(service, uses, NOON) is None
    assert capped(one, {}, NOON) is None


def test_a_cap_of_a_channel_is_about_that_alone() -> None:
    by_mail = msgspec.structs.replace(DAILY, channel="email", id="by-mail")
    rules = ContactRules(caps=(by_mail, MONTHLY))
    mail = candidate(rules)
    text = replace(mail, claimed=replace(mail.claimed, channel="sms"))
    assert [[cap.id for cap in one.caps()] for one in (mail, text)] == [
        ["by-mail", "monthly"],
        ["monthly"],
    ]
    uses = {("acme", "p1", "by-mail"): [NOON, NOON]}
    assert capped(mail, uses, NOON) is not None
    assert capped(text, uses, NOON) is None
    assert gives_way(mail, {}, [Rivals("sms", "promotion", 2, 90)], NOON) is None


def test_the_greater_priority_is_first_and_equals_stay_in_their_order() -> None:
    some = [
        candidate(ContactRules(), send_key=key, priority=priority)
        for key, priority in (("a", 50), ("b", 90), ("c", 50), ("d", 0))
    ]
    assert [one.claimed.send_key for one in in_turn(some)] == ["b", "a", "c", "d"]


@pytest.mark.parametrize(
    ("used", "rivals", "waits"),
    [
        (0, [], False),
        (0, [("promotion", 1)], False),
        (1, [("promotion", 1)], True),
        (0, [("promotion", 2)], True),
        (1, [("service", 5)], False),
        (0, [("service", 1), ("promotion", 2)], True),
    ],
)
def test_a_message_gives_way_where_a_cap_has_no_room_for_both(
    used: int, rivals: list[tuple[Purpose, int]], *, waits: bool
) -> None:
    one = candidate(ContactRules(caps=(DAILY,)))
    uses = {("acme", "p1", "daily"): [NOON - timedelta(hours=1)] * used}
    ahead = [Rivals("email", purpose, number, 90) for purpose, number in rivals]
    found = gives_way(one, uses, ahead, NOON)
    assert (found is not None) == waits
    if found is not None:
        assert found.until == NOON + timedelta(seconds=2)
        assert "priority 90 goes first" in told("planned", found.reason, found.facts)


def test_who_shares_an_address_is_told_so() -> None:
    refusal = same_address(candidate(ContactRules()))
    words = "somebody else with the same address"
    assert words in told("suppressed", refusal.reason, refusal.facts)


def said(state: Any, at: int, purpose: str = "x_events", **more: Any) -> ConsentState:
    return ConsentState(
        contact_point=ADA,
        channel="email",
        purpose=purpose,
        state=state,
        at=NOON + timedelta(days=at),
        source="s",
        **more,
    )


@pytest.mark.parametrize(
    ("words", "page", "expected"),
    [
        ([], {}, False),
        ([said("denied", 1)], {}, True),
        ([said("withdrawn", 1, "all")], {}, True),
        ([said("denied", 1, "promotion")], {}, False),
        ([said("denied", 1), said("granted", 2)], {}, False),
        ([said("denied", 1), said("granted", 2, confirmed=False)], {}, True),
        ([said("granted", 1, expires_at=NOON)], {}, False),
        ([said("withdrawn", 1, expired=True)], {}, False),
        ([said("granted", 1)], {"x_events": (NOON + timedelta(days=2), False)}, True),
        ([said("denied", 1)], {"x_events": (NOON + timedelta(days=2), True)}, False),
        ([], {"all": (NOON, False)}, True),
    ],
)
def test_a_topic_is_declined_by_the_last_word_and_silence_is_none(
    words: list[ConsentState], page: dict[str, tuple[datetime, bool]], *, expected: bool
) -> None:
    known = Known(consents=words, words=page)
    assert declined(known, ADA, "x_events", NOON + timedelta(days=5)) == expected


def test_what_is_listed_stops_by_purpose_and_the_next_address_is_taken() -> None:
    def verdict(purpose: Purpose, listed: str, **more: Any) -> Any:
        entry = Entry(Place("email", ADA, listed), "bounced", "ann", NOON)  # type: ignore[arg-type] # one of two
        return decide(
            kind=more.get("kind", "entry"),
            purpose=purpose,
            to_address=ADA,
            waited=timedelta(),
            person=person(said("granted", -1, "promotion")),
            policy=PermissionPolicy(),
            suppressions={},
            now=NOON,
            listings={ADA: entry, **({WORK: entry} if more.get("both") else {})},
        )

    assert verdict("service", "promotion") == Send(ADA)
    assert verdict("service", "all") == Send(WORK)
    facts = Facts(more={"purpose": "all", "listed_at": NOON.isoformat()})
    assert verdict("service", "all", both=True) == Suppress(LISTED, facts)
    assert verdict("promotion", "all") == Suppress(LISTED, facts)
    assert verdict("service", "all", kind="request") == Suppress(LISTED, facts)
    assert verdict("service", "promotion", kind="request") == Send(ADA)
    assert verdict("service", "all", kind="test") == Send(ADA)
    shown = verdict("promotion", "promotion")
    assert told("suppressed", shown.reason, shown.facts) == (
        "It was not sent: the address is on the suppression list, for promotions, since 2026-03-18."
    )


@pytest.mark.parametrize(
    ("state", "reason", "more", "expected"),
    [
        ("sent", None, {"attempt": 1, "sent_at": NOON}, "It was sent on 2026-03-18 12:00 UTC."),
        ("sent", None, {"attempt": 3}, "It was sent on 2026-03-18 12:00 UTC, at attempt 3."),
        ("planned", None, {}, "It is planned; it is looked at again on 2026-03-18 13:00 UTC."),
        ("sending", None, {}, "It is being sent: the mail server has not answered yet."),
        ("failed", "550 no", {}, "It could not be sent: 550 no."),
        (
            "uncertain",
            "connection lost",
            {},
            "Nobody knows whether it was sent, and it is not sent again: connection lost.",
        ),
        ("suppressed", None, {}, "It was not sent: no reason was kept."),
        ("suppressed", "unsubscribed", {}, "It was not sent: they have unsubscribed."),
        ("suppressed", "frequency cap", {}, "It was not sent: frequency cap."),
    ],
)
def test_every_state_has_its_sentence(
    state: Any, reason: str | None, more: dict[str, Any], expected: str
) -> None:
    assert told(state, reason, **more) == expected


def test_facts_of_every_rule_have_their_words() -> None:
    shown = {
        permission.DETRACTOR: (Facts("nps", more={"n": "3"}), "their last answer was 3"),
        permission.UNWANTED: (Facts("events"), "no to the topic \u201cevents\u201d"),
        permission.QUIET: (Facts(more={"of_campaign": 1}), "the campaign's quiet hours, by"),
        permission.CAPPED: (Facts("c"), "frequency cap \u201cc\u201d: ? of ? in ?"),
        permission.GIVES_WAY: (Facts("c", more={"priority": 90}), "of priority 90 goes first"),
        permission.NO_CONSENT: (Facts(), "they have not agreed to promotions"),
        "something new": (Facts(), "something new"),
    }
    for reason, (facts, words) in shown.items():
        assert words in told("suppressed", reason, facts)
