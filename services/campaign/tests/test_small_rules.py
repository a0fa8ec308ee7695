"""What small rules say, each by itself: permission by channels, turns, tokens, sealed secrets."""

import base64
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from services.campaign.tests.test_foretelling import account
from services.campaign.tests.test_permission import point, said, state

from rapport_campaign.domain import accounts, feeds, inbox, provider_keys, recommenders, throttles
from rapport_campaign.domain.accounts import Standing as Stands
from rapport_campaign.domain.broadcasts import in_order
from rapport_campaign.domain.channel_permission import NO_POINT, SUPPRESSED, decide_by
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.foretelling import Course, Gates, is_soon
from rapport_campaign.domain.inbox import Bearer
from rapport_campaign.domain.inquiries import LONGEST, is_over
from rapport_campaign.domain.lanes import Standing, behind, taken, turn
from rapport_campaign.domain.mail_paces import Lane
from rapport_campaign.domain.model import Person, Purpose
from rapport_campaign.domain.own_events import identity, refused
from rapport_campaign.domain.parcels import Channel, Content, Notification, Post, Templated, Text
from rapport_campaign.domain.permission import (
    GONE,
    NO_CONSENT,
    OBJECTED,
    OPEN_COMPLAINT,
    RESTRICTED,
    UNCONFIRMED,
    UNKNOWN,
    UNVERIFIED,
    PermissionPolicy,
    Send,
    Suppress,
    Verdict,
    Wait,
)
from rapport_campaign.domain.provider_keys import ProviderKeys
from rapport_campaign.domain.saying import content_of, lacking
from rapport_campaign.domain.schedules import Local, ScheduleError, checked
from rapport_campaign.domain.templates import Compiled, Said
from rapport_campaign.domain.throttles import Throttle
from rapport_common.events.profile import ComputedState, ConsentState
from rapport_common.secret_keys import SealedSecretError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PHONE, OTHER = "+493012345678", "+493012345679"
KEY = b"k" * 32


# --- permission by channels ------------------------------------------------------------------


def word(what: str, **more: Any) -> ConsentState:
    return said(what, PHONE, **{"channel": "sms", **more})


def yes(**more: Any) -> ConsentState:
    return word("granted", **more)


def judged(person: Person | None, channel: str = "sms", **more: Any) -> Verdict:
    purpose: Purpose = more.pop("purpose", "promotion")
    usual = {"waited": timedelta(0), "policy": PermissionPolicy(), "suppressions": {}}
    return decide_by(channel, purpose=purpose, person=person, now=NOON, **{**usual, **more})


def someone(*consent: ConsentState, points: Any = None, **more: Any) -> Person:
    numbers = [point(PHONE, channel="sms")] if points is None else points
    return Person("p1", 1, state(*consent, points=numbers, **more))


def test_who_is_not_known_may_not_be_told_of_anything() -> None:
    assert judged(None) == Wait(UNKNOWN)
    assert judged(None, waited=timedelta(days=1)) == Suppress(UNKNOWN)
    assert judged(Person("p1", 1, None, gone=True)) == Suppress(GONE)
    assert judged(someone(yes(), restraints=["processing"])) == Suppress(RESTRICTED)
    assert judged(someone(yes(), restraints=["marketing"])) == Suppress(OBJECTED)
    assert judged(someone(yes(), points=[point("a@example.com")])) == Suppress(NO_POINT)


def test_who_complains_gets_no_promotions() -> None:
    told = state(yes(), points=[point(PHONE, channel="sms")])
    whose = Person("p1", 1, replace(told, computed=ComputedState(open_cases=1)))
    assert judged(whose) == Suppress(OPEN_COMPLAINT)
    assert judged(whose, purpose="service") == Send(PHONE)


@pytest.mark.parametrize(
    ("consent", "policy", "verdict"),
    [
        ([], PermissionPolicy(), Suppress(NO_CONSENT)),
        ([yes()], PermissionPolicy(), Send(PHONE)),
        ([yes(), word("denied")], PermissionPolicy(), Suppress("consent denied")),
        ([yes(expires_at=NOON)], PermissionPolicy(), Suppress("consent expired")),
        ([yes(expires_at=NOON + MINUTE)], PermissionPolicy(), Send(PHONE)),
        ([yes(confirmed=False)], PermissionPolicy(), Suppress(UNCONFIRMED)),
        ([yes(confirmed=False)], PermissionPolicy(unconfirmed_consent="allow"), Send(PHONE)),
        ([yes(lacks="text")], PermissionPolicy(), Suppress(UNCONFIRMED)),
        # A no of another channel, or about another purpose, is none of this one.
        ([yes(), word("withdrawn", channel="email")], PermissionPolicy(), Send(PHONE)),
        ([yes(), word("withdrawn", purpose="survey")], PermissionPolicy(), Send(PHONE)),
    ],
)
def test_a_promotion_by_a_number_needs_its_own_yes(
    consent: list[ConsentState], policy: PermissionPolicy, verdict: Verdict
) -> None:
    assert judged(someone(*consent), policy=policy) == verdict


def test_who_has_written_stop_is_told_again_after_a_later_yes_only() -> None:
    out = {(PHONE, "promotion"): NOON, (PHONE, "service"): NOON}
    assert judged(someone(), suppressions=out) == Suppress(SUPPRESSED)
    assert judged(someone(yes(at=NOON)), suppressions=out) == Suppress(SUPPRESSED)
    assert judged(someone(yes(at=NOON + MINUTE)), suppressions=out) == Send(PHONE)
    assert judged(someone(), purpose="service", suppressions=out) == Suppress(SUPPRESSED)
    assert judged(someone(), purpose="service") == Send(PHONE)


def test_a_number_that_only_a_page_tells_of_gets_promotions_where_that_is_enough() -> None:
    whose = someone(yes(), points=[point(PHONE, channel="sms", verified=False)])
    trusting = PermissionPolicy(unconfirmed_consent="allow")
    assert judged(whose) == Suppress(UNVERIFIED)
    assert judged(whose, policy=trusting) == Send(PHONE)
    assert judged(whose, policy=trusting, purpose="service") == Suppress(UNVERIFIED)


def test_a_number_told_twice_is_known_as_well_as_the_better_source_says() -> None:
    twice = [
        point(PHONE, channel="sms", verified=False),
        point("+49 30 12345678", channel="sms"),
        point(PHONE, channel="sms", verified=False),
        point(OTHER, channel="sms"),
    ]
    assert judged(someone(yes(), points=twice)) == Send(PHONE)


# --- when it would go ------------------------------------------------------------------------


def test_a_dry_run_goes_through_lanes_until_all_have_room() -> None:
    lanes = {
        "fast": Lane(name="fast", throttle=Throttle(60)),
        "slow": Lane(name="slow", throttle=Throttle(1)),
    }
    course = Course(lanes={name: Standing() for name in lanes})
    gates = Gates(course, Throttle(1, "hour"), lanes, None)
    first, second = (gates.through(0, ("fast", "slow"), NOON) for _ in range(2))
    assert first == NOON
    assert second is not None
    assert second - NOON >= MINUTE
    assert gates.through(0, (), NOON) == NOON
    assert gates.through(2, (), NOON) == NOON
    assert gates.through(1, (), NOON) == NOON
    later = gates.through(1, (), NOON)
    assert later is not None
    assert later - NOON >= HOUR
    assert Gates(course, None, lanes, None).through(1, (), NOON) == NOON


def test_a_dry_run_tells_the_times_of_those_who_get_it() -> None:
    course = Course()
    course.note("gets", None, NOON + HOUR, goes=True)
    course.note("gets", None, NOON, goes=True)
    course.note("gets", None, NOON + MINUTE, goes=True)
    course.note("gets_not", "quiet hours", NOON - HOUR, goes=False)
    assert course.counts == {"gets": {"": 3}, "gets_not": {"quiet hours": 1}}
    assert (course.first_at, course.last_at) == (NOON, NOON + HOUR)


def test_what_is_due_within_a_minute_is_judged_now() -> None:
    assert is_soon(NOON, NOON + MINUTE - timedelta(microseconds=1))
    assert is_soon(NOON + HOUR, NOON)
    assert not is_soon(NOON + MINUTE / 2, NOON + MINUTE)


def test_a_turn_is_now_or_when_the_slot_is_free() -> None:
    one = Throttle(1)
    at, free = throttles.turn(0, one.interval, NOON)
    assert at == NOON
    again, _ = throttles.turn(free, one.interval, NOON)
    assert again - NOON >= MINUTE
    assert throttles.granted(free, one.interval, again, 5)[0] == 1


def test_who_comes_behind_those_that_wait_has_their_turns_behind_them() -> None:
    lane = Lane(name="x", throttle=Throttle(1))
    standing = Standing()
    for _ in range(3):
        standing = taken(lane, standing, turn(lane, standing, NOON), 1)
    assert behind(lane, Standing(), NOON, 3) == standing


def test_what_waits_for_an_instant_stays_in_its_order() -> None:
    until = NOON + HOUR
    first, second = (in_order(until, NOON + timedelta(microseconds=one)) for one in (3, 4))
    assert until < first < second < until + timedelta(seconds=1)


def test_an_account_that_sleeps_takes_nothing_and_one_that_let_go_may_again() -> None:
    sleeping = account("a", state="paused")
    shares = accounts.shared([(sleeping, Stands())], 5, NOON.timestamp(), NOON.date())
    assert (shares.granted, shares.wait) == ({}, 0.0)
    used = Stands(day=date(2026, 3, 1), used=2)
    now = NOON.timestamp()
    assert accounts.noted(used, Outcome("released"), now, 0).used == 1
    assert accounts.noted(used, Outcome("sent"), now, 0).used == 2
    assert accounts.noted(Stands(), Outcome("released"), now, 0).used == 0


def test_an_account_is_charged_by_segments_of_texts_and_by_one_of_all_else() -> None:
    texts = accounts.bill(account("a"), PHONE, Text("x" * 161))
    assert texts.segments == 2
    assert accounts.bill(account("a"), PHONE, Notification("t", "x" * 161, "", {})).segments == 1


def test_a_message_is_asked_about_for_so_long_and_no_longer() -> None:
    assert is_over(NOON - LONGEST, NOON)
    assert not is_over(NOON - LONGEST + MINUTE, NOON)


def test_local_times_have_no_offset() -> None:
    with pytest.raises(ScheduleError) as wrong:
        checked(Local(NOON))
    assert wrong.value.where == "local_at"
    local = Local(NOON.replace(tzinfo=None))
    assert checked(local) is local


# --- what is said ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "parts", "lacks"),
    [
        ("sms", {"text": "Hello"}, None),
        ("sms", {"text": " "}, "text"),
        ("sms", {"template": "t-1"}, None),
        ("push", {"text": "Hello"}, "title"),
        ("phone", {"template": "t-1"}, "text"),
        ("whatsapp", {"text": "Hello"}, "template"),
        ("webhook", {}, None),
    ],
)
def test_a_content_lacks_what_its_channel_can_not_do_without(
    channel: Channel, parts: dict[str, str], lacks: str | None
) -> None:
    assert lacking(channel, parts) == lacks


@pytest.mark.parametrize(
    ("channel", "content"),
    [
        ("sms", Text("Hello", "t-1", {"a": "b"})),
        ("push", Notification("Hi", "Hello", "https://example.com", {"a": "b"})),
        ("phone", Notification("Hi", "Hello", "https://example.com", {"a": "b"})),
        ("webhook", Post("offer", b'{"a":"b"}')),
        ("whatsapp", Templated("t-1", "de", {"a": "b"}, "https://example.com")),
    ],
)
def test_the_parts_of_a_message_become_the_content_of_its_channel(
    channel: Channel, content: Content
) -> None:
    parts = {
        "title": "Hi",
        "text": "Hello",
        "url": "https://example.com",
        "template": "t-1",
        "type": "offer",
        "language": "de",
    }
    assert content_of(channel, parts, {"a": "b"}) == content


def test_what_is_not_said_of_a_message_is_the_usual() -> None:
    assert content_of("webhook", {}, {}) == Post("message", b"{}")
    assert content_of("wechat", {}, {}) == Templated("", "en", {}, "")


def test_a_template_is_there_in_its_own_language_too() -> None:
    own = Said(subject="", html="", text="")
    assert Compiled(own=own).having == []
    assert Compiled(own=own, languages={"de": own}, language="en").having == ["de", "en"]


def test_somebody_is_named_by_one_identifier_and_a_device_by_its_own() -> None:
    assert identity(None, "A@Example.com") == ("email", "a@example.com")
    assert identity(state(emails=["a@example.com"]), "t-1", "push") == ("email", "a@example.com")
    assert identity(None, "t-1", "push") == ("anonymous_id", "push:t-1")
    assert len(identity(None, "t" * 300, "push")[1]) == 200


def test_a_word_to_staff_ends_promotions_by_the_channel() -> None:
    told = {"contact_point": PHONE, "channel": "phone", "actor": "ann"}
    event = refused("acme", ("user_id", "u1"), "t-1", told, NOON)
    assert (event.name, event.message_id, event.timestamp) == (
        "Consent Updated",
        "refused-t-1",
        NOON,
    )
    for part in (b'"withdrawn"', b'"promotion"', PHONE.encode()):
        assert part in bytes(event.properties)


# --- tokens and secrets ----------------------------------------------------------------------


def test_a_token_opens_one_inbox_until_it_ends() -> None:
    bearer = Bearer("acme", "p1", int(NOON.timestamp()))
    token = inbox.sign(KEY, bearer)
    before = bearer.until - 1
    assert inbox.read(KEY, token, before) == bearer
    assert inbox.read(KEY, token, bearer.until) is None
    assert inbox.read(b"x" * 32, token, before) is None
    for wrong in ("", "é", "a", "x" * 900, base64.urlsafe_b64encode(b"x" * 50).decode()):
        assert inbox.read(KEY, wrong, before) is None


def test_secrets_of_an_account_open_where_they_were_put_only() -> None:
    keys = ProviderKeys((KEY,))
    place = provider_keys.place_of("acme", "a1")
    kept = keys.sealed_all(place, {"token": "s3cret"}, b"n" * 12)
    assert "s3cret" not in kept
    assert keys.opened_all(place, kept) == {"token": "s3cret"}
    with pytest.raises(SealedSecretError):
        keys.opened_all(provider_keys.place_of("other", "a1"), kept)
    with pytest.raises(SealedSecretError, match="set them again"):
        keys.opened_all(place, keys.sealed(place, "[]", b"m" * 12))


def test_secrets_have_a_place_for_each_owner() -> None:
    assert feeds.place_of_secrets("acme", "stock") == "acme/feed/stock"
    assert recommenders.place_of("acme") == "acme/recommender"


def test_a_recommender_is_asked_without_what_is_barred() -> None:
    body = recommenders.question("home", 3, {"p1": ["u1"], "p2": []}, {"p1": frozenset("ba")})
    assert b'"exclude":["a","b"]' in body
    assert body.count(b'"exclude":[]') == 1
