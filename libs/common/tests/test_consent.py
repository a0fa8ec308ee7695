"""The words of a consent: many ways to write one thing, and never one way for two."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.consent import (
    CHANNELS,
    PURPOSES,
    instant_of,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
    normal_state,
)

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARTS = st.lists(st.sampled_from(["all", "Any", "Email", "marketing", "x", "s", "our"]), max_size=4)


@pytest.mark.parametrize(
    ("normal", "written"),
    [
        ("email", "email Email EMAIL emails E-Mail eMail e_mails email_address emailAddress Mails"),
        ("sms", "SMS text texts text_messages TextMessage sms-messages"),
        ("phone", "phone call calls phone_call phone-number telephone voice_calls"),
        ("whatsapp", "WhatsApp whats_app whatsapp-messages"),
        ("push", "push Push_Notifications web-push mobile_push"),
        ("post", "post postal direct_mail letters"),
        ("all", "all All ALL any every all_channels allChannels *"),
        ("x_kiosk", "x_kiosk X-Kiosk"),
    ],
)
def test_a_channel_has_one_form(normal: str, written: str) -> None:
    assert {one: normal_channel(one) for one in written.split()} == dict.fromkeys(
        written.split(), normal
    )
    assert is_channel(normal)


@pytest.mark.parametrize(
    ("normal", "written"),
    [
        ("promotion", "promotion|Promotions|promo|promos|marketing|Direct Marketing|all marketing"),
        ("promotion", "Marketing Emails|email_marketing|e-mail marketing|marketingEmails"),
        ("promotion", "advertising|advertisement|Advertisements|ads|promotional offers"),
        ("promotion", "newsletter|Newsletters|newsletter-subscription|mailing list"),
        ("promotion", "SMS marketing|marketing and promotions|marketing_communications"),
        ("service", "service|transactional|Service Emails|transactional-messages"),
        ("survey", "survey|Surveys|feedback"),
        ("all", "all|All|any|everything|all emails|any purpose|All_Communications|*|all e-mails"),
        ("x_beta_tips", "x_beta_tips|X-Beta Tips"),
    ],
)
def test_a_purpose_has_one_form(normal: str, written: str) -> None:
    words = written.split("|")
    assert {one: normal_purpose(one) for one in words} == dict.fromkeys(words, normal)
    assert is_purpose(normal)


OTHER = (
    "non_promotional|not all|all except marketing|marketing research|emails|x_|beta tips|wedding|"
    "third party marketing|unsubscribe_all|analytics and ads"
)


@pytest.mark.parametrize("word", OTHER.split("|"))
def test_what_means_another_thing_is_no_known_purpose(word: str) -> None:
    found = normal_purpose(word)
    assert found is None or not is_purpose(found)


@pytest.mark.parametrize("word", ["", "-", "1email", "a" * 80, "e/mail", "почта"])
def test_what_is_no_channel_is_none(word: str) -> None:
    assert normal_channel(word) is None


@pytest.mark.parametrize("word", ["carrier pigeon", "mobile", "address", "email or sms"])
def test_what_is_no_known_channel_is_told(word: str) -> None:
    assert not is_channel(normal_channel(word) or "")


def test_a_state_has_one_form() -> None:
    for word in ("Withdrawn", " opt-out ", "optOut", "OPTED OUT", "Unsubscribed"):
        assert normal_state(word) == "withdrawn"
    assert normal_state("DENIED\u200b") == "denied"
    assert normal_state("Granted") == "granted"


@pytest.mark.parametrize("word", ["", " ", "yes", "grantedd", "1", "не", "no thanks", "\0"])
def test_what_is_no_state_is_none(word: str) -> None:
    assert normal_state(word) is None


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:30:00", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T00:30:00+01:00", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_time_in_utc_and_a_day_is_its_beginning(written: str, at: datetime) -> None:
    found = instant_of(written)
    assert found == at
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [None, 1_772_323_200, True, "", "soon", "2026-02-30", "2026-3-1", "9999-12-31T23:30:00-01:00"],
)
def test_what_is_no_time_is_no_end(value: object) -> None:
    assert instant_of(value) is None


@given(LETTERS | PARTS.map("_".join) | PARTS.map(" ".join))
def test_a_normal_form_is_its_own(text: str) -> None:
    for normal in (normal_channel, normal_purpose):
        once = normal(text)
        assert once is None or normal(once) == once


def test_every_name_is_its_own_form() -> None:
    assert [normal_channel(one) for one in CHANNELS] == list(CHANNELS)
    assert [normal_purpose(one) for one in PURPOSES] == list(PURPOSES)
