"""Whose word holds: spellings, several profiles with one address, what is unverified."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_campaign.domain.addresses import Address, addresses_of
from rapport_campaign.domain.model import Person, State
from rapport_campaign.domain.permission import (
    NO_CONSENT,
    OBJECTED,
    RESTRICTED,
    PermissionPolicy,
    Send,
    Suppress,
    Verdict,
    decide,
    granted_at,
    objections_of,
    promotion,
)
from rapport_common.events.activity import ContactPoint
from rapport_common.events.profile import (
    ComputedState,
    ConsentState,
    IdentifierState,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
ADA = "ada@example.com"
STANDARD = PermissionPolicy()
TRUSTING = PermissionPolicy(unconfirmed_consent="allow")


def said(state: str = "granted", point: str = ADA, **more: Any) -> ConsentState:
    fields = {"channel": "email", "purpose": "promotion", "at": NOON, "source": "shop", **more}
    return ConsentState(contact_point=point, state=state, **fields)  # type: ignore[arg-type] # words


def point(value: str, **more: Any) -> ContactPoint:
    return ContactPoint(**{"channel": "email", "value": value, **more})


def state(*consent: ConsentState, points: list[ContactPoint] | None = None, **more: Any) -> State:
    emails = more.get("emails", [ADA])
    return State(
        identifiers=[IdentifierState("email", one) for one in emails],
        traits=msgspec.Raw(msgspec.json.encode(more.get("traits", {}))),
        computed=ComputedState(),
        consent=list(consent),
        contact_points=[point(one) for one in emails] if points is None else points,
        restraints=more.get("restraints", []),
    )


@pytest.mark.parametrize(
    "again",
    [
        said("withdrawn", "ADA@EXAMPLE.COM ", at=LATER),
        said("withdrawn", "\ufeffada@example.com", at=LATER),
        said("denied", channel="E-Mail", at=LATER),
        said("withdrawn", purpose="Marketing", at=LATER),
        said("withdrawn", at=NOON),
        said("withdrawn", purpose="all", at=LATER),
        said("denied", channel="any", at=NOON),
        said("withdrawn", channel="all", purpose="everything", at=LATER),
        said("withdrawn", purpose="Marketing Emails", at=LATER),
        said("withdrawn", channel="emails", purpose="promo", at=LATER),
        said("withdrawn", purpose="who knows", at=LATER),
        said("withdrawn", channel="who knows", at=LATER),
    ],
)
def test_a_no_is_heard_however_it_is_written(again: ConsentState) -> None:
    for order in itertools.permutations([said(), again]):
        assert promotion(state(*order), STANDARD, {}, now=NOON) == Suppress(
            f"consent {again.state}"
        )
    lenient = PermissionPolicy(promotion_without_consent=True)
    assert promotion(state(again), lenient, {}, now=NOON) == Suppress(f"consent {again.state}")


def test_where_some_words_are_not_told_there_may_be_a_no_among_them() -> None:
    policy = PermissionPolicy(promotion_without_consent=True)
    assert promotion(state(), policy, {}, now=NOON) == Send(ADA)
    some = msgspec.structs.replace(state(), omitted_consent=1)
    assert promotion(some, policy, {}, now=NOON) == Suppress(NO_CONSENT)
    whole = msgspec.structs.replace(state(said()), omitted_consent=1)
    assert promotion(whole, policy, {}, now=NOON) == Send(ADA)


def test_who_has_said_nothing_has_not_given_what_the_rules_ask_for() -> None:
    """What a yes lacks permits nothing under any policy; silence lacks it, too."""
    policy = PermissionPolicy(promotion_without_consent=True, needs_a_yes=True)
    assert promotion(state(), policy, {}, now=NOON) == Suppress(NO_CONSENT)
    assert promotion(state(said()), policy, {}, now=NOON) == Send(ADA)
    survey = state(said(purpose="survey"))
    assert promotion(survey, policy, {}, now=NOON) == Suppress(NO_CONSENT)


def test_a_later_yes_is_a_yes_and_other_channels_say_nothing() -> None:
    person = state(said("withdrawn"), said("granted", " Ada@Example.com", at=LATER))
    assert promotion(person, STANDARD, {}, now=NOON) == Send(ADA)
    person = state(said(), said("withdrawn", channel="sms"), said("withdrawn", purpose="survey"))
    assert promotion(person, STANDARD, {}, now=NOON) == Send(ADA)
    person = state(said(), *(said("denied", purpose=one) for one in ("service", "x_beta", "ads x")))
    assert promotion(person, STANDARD, {}, now=NOON) == Suppress("consent denied")
    person = state(said(), said("denied", purpose="x_beta"), said("denied", channel="x_kiosk"))
    assert promotion(person, STANDARD, {}, now=NOON) == Send(ADA)


def test_a_no_to_all_holds_until_a_later_yes_and_a_yes_to_all_is_none() -> None:
    no = said("withdrawn", channel="all", purpose="all")
    assert promotion(state(no, said(at=LATER)), STANDARD, {}, now=NOON) == Send(ADA)
    assert objections_of([no]) == {(ADA, "promotion"): "withdrawn"}
    for every in ({"purpose": "all"}, {"channel": "all"}, {"purpose": "who knows"}):
        assert promotion(state(said(**every)), STANDARD, {}, now=NOON) == Suppress("no consent")


def test_what_one_says_of_an_address_holds_for_all_who_have_it() -> None:
    other = objections_of([said("withdrawn", "ADA@example.com")])
    assert other == {(ADA, "promotion"): "withdrawn"}
    objections = [(address, "promotion", word) for (address, _), word in other.items()]
    person = state(said(at=LATER))
    assert promotion(person, STANDARD, {}, objections, now=NOON) == Suppress("consent withdrawn")  # type: ignore[arg-type] # literals
    without = state()
    policy = PermissionPolicy(promotion_without_consent=True)
    assert promotion(without, policy, {}, objections, now=NOON) == Suppress("consent withdrawn")  # type: ignore[arg-type] # literals


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["granted", "denied", "withdrawn"]),
            st.sampled_from([ADA, "ADA@example.com", " ada@EXAMPLE.com"]),
            st.sampled_from(["email", "E-mail", "MAIL"]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_words_does_not_matter(words: list[Any], order: Any) -> None:
    """The latest word counts, at one time the more restrictive: whatever the order in the list."""
    consent = [
        said(word, where, channel=channel, at=NOON + timedelta(minutes=minute))
        for word, where, channel, minute in words
    ]
    last = max(one.at for one in consent)
    refused = [one for one in consent if one.at == last and one.state != "granted"]
    verdicts = set()
    for _ in range(3):
        order.shuffle(consent)
        verdicts.add(isinstance(promotion(state(*consent), STANDARD, {}, now=NOON), Send))
    assert verdicts == {not refused}


def test_only_the_addresses_of_now_get_mail() -> None:
    former = state(said(), points=[point("new@example.com")], emails=[ADA, "new@example.com"])
    assert addresses_of(former) == [Address("new@example.com")]
    assert promotion(former, STANDARD, {}, now=NOON) == Suppress("no consent")
    removed = state(said(), points=[], traits={"email": ADA})
    assert promotion(removed, STANDARD, {}, now=NOON) == Suppress("no e-mail address")
    by_phone = state(points=[point("+491700000", channel="sms")])
    assert addresses_of(by_phone) == []
    spelled = state(points=[point(" Ada@Example.COM", channel="Email", verified=False), point(ADA)])
    assert addresses_of(spelled) == [Address(ADA, verified=True)]


def verdict(person: State | None, **more: Any) -> Verdict:
    """The verdict on a service mail to somebody; without a state they are gone."""
    fields: dict[str, Any] = {
        "kind": "entry",
        "purpose": "service",
        "to_address": None,
        "waited": timedelta(),
        "person": Person("p1", 1, person, gone=person is None),
        "policy": STANDARD,
        "suppressions": {},
        "now": NOON,
    }
    return decide(**{**fields, **more})


@pytest.mark.parametrize("kind", ["entry", "request", "test"])
@pytest.mark.parametrize("purpose", ["promotion", "service"])
def test_nothing_goes_to_whose_data_are_only_kept(kind: str, purpose: str) -> None:
    who = state(said("granted"), restraints=["processing"])
    found = verdict(who, kind=kind, purpose=purpose, to_address=ADA)
    assert found == Suppress(RESTRICTED)


@pytest.mark.parametrize("consents", [[], [said("granted", at=LATER)]])
def test_an_objection_outweighs_every_consent_and_stops_promotions_only(
    consents: list[ConsentState],
) -> None:
    who = state(*consents, restraints=["marketing"])
    policy = PermissionPolicy(promotion_without_consent=True)
    assert verdict(who, purpose="promotion", policy=policy) == Suppress(OBJECTED)
    assert verdict(who) == verdict(who, kind="request", to_address=ADA) == Send(ADA)


def test_profiling_is_no_matter_of_mails() -> None:
    who = state(said("granted"), restraints=["profiling"])
    assert verdict(who, purpose="promotion") == Send(ADA)


def test_service_mail_goes_to_verified_addresses_only() -> None:
    strange = point("stranger@example.com", verified=False)
    assert verdict(state(points=[strange])) == Suppress("address not verified")
    assert verdict(state(points=[strange]), policy=TRUSTING) == Suppress("address not verified")
    assert verdict(state(points=[strange, point(ADA)])) == Send(ADA)
    stranger = state(points=[strange])
    assert verdict(stranger, kind="request", to_address=" Stranger@example.com") == Suppress(
        "address not verified"
    )
    assert verdict(stranger, kind="request", to_address="\ufeffDesk@example.com") == Send(
        "desk@example.com"
    )


def test_a_test_mail_goes_where_its_sender_says() -> None:
    unsubscribed = {(ADA, "service"): NOON, (ADA, "promotion"): NOON}
    more = {"kind": "test", "purpose": "promotion", "suppressions": unsubscribed}
    assert verdict(None, to_address=" ADA@Example.com", **more) == Send(ADA)
    assert verdict(None, to_address="nobody", **more) == Suppress("no e-mail address")


def test_service_mail_to_nobodys_address_is_not_sent() -> None:
    assert verdict(state(points=[])) == Suppress("no e-mail address")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], None),
        ([said()], NOON),
        ([said(), said(at=LATER)], LATER),
        ([said(), said("withdrawn", at=LATER)], None),
        ([said("withdrawn"), said(at=LATER)], LATER),
        ([said(point="other@example.com")], None),
        ([said(purpose="service")], None),
        ([said(channel="sms")], None),
    ],
)
def test_when_somebody_agreed_is_told_while_it_is_their_word(
    words: list[ConsentState], found: datetime | None
) -> None:
    for order in itertools.permutations(words):
        assert granted_at(state(*order), ADA) == found
    assert granted_at(None, ADA) is None


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        (state(said(confirmed=False)), "consent not confirmed"),
        (state(said(), points=[point(ADA, verified=False)]), "address not verified"),
    ],
)
def test_a_public_word_is_enough_where_the_policy_says_so(person: State, reason: str) -> None:
    assert promotion(person, STANDARD, {}, now=NOON) == Suppress(reason)
    assert promotion(person, TRUSTING, {}, now=NOON) == Send(ADA)


def test_nobody_is_written_to_who_is_gone() -> None:
    assert verdict(None) == Suppress("profile gone")


@pytest.mark.parametrize("told", [False, True])
def test_a_yes_for_a_time_counts_before_its_end_and_says_nothing_of_others(*, told: bool) -> None:
    """At the instant itself, whether or not profile has told of it yet."""
    yes = said(expires_at=LATER)
    if told:
        yes = said("withdrawn", at=LATER, expires_at=LATER, expired=True)
    else:
        assert promotion(state(yes), STANDARD, {}, now=NOON) == Send(ADA)
    over = Suppress("consent expired")
    assert promotion(state(yes), STANDARD, {}, now=LATER) == over
    lenient = PermissionPolicy(promotion_without_consent=True)
    assert promotion(state(yes), lenient, {}, now=LATER) == over
    assert objections_of([yes]) == {}


@pytest.mark.parametrize(
    ("lacks", "reason"),
    [
        ("double_opt_in", "consent not confirmed"),
        ("proof", "consent not confirmed"),
        ("wording_version", "consent without its wording"),
    ],
)
def test_a_yes_that_lacks_what_the_rules_ask_for_permits_nothing_under_any_policy(
    lacks: Any, reason: str
) -> None:
    one = msgspec.structs.replace(said(), lacks=lacks)
    for policy in (
        PermissionPolicy(),
        PermissionPolicy(unconfirmed_consent="allow"),
        PermissionPolicy(promotion_without_consent=True, unconfirmed_consent="allow"),
    ):
        verdict = promotion(state(one), policy, {}, now=LATER)
        assert verdict == Suppress(reason)
