"""Normal forms: two spellings of one thing are one thing, two things are never one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.contact import normal_contact_point, normal_email

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("\ufeffb@example.com", "b@example.com"),
        ("b@example.com\u200b", "b@example.com"),
        ("b\u200b@exam\u00adple.com", "b@example.com"),
        ("\u2060b@example.com\u200e", "b@example.com"),
        ("info@straße.example", "info@straße.example"),
        ("INFO@STRAßE.EXAMPLE", "info@straße.example"),
        ("info@xn--strae-oqa.example", "info@straße.example"),
        ("info@XN--STRAE-OQA.example", "info@straße.example"),
        ("info@STRASSE.example", "info@strasse.example"),
        ("groß@example.com", "groß@example.com"),
        ("jürgen@münchen.example", "jürgen@münchen.example"),
        ("ju\u0308rgen@mu\u0308nchen.example", "jürgen@münchen.example"),
        ("a@ｅｘａｍｐｌｅ.com", "a@example.com"),
        ("a@例え。テスト", "a@例え.テスト"),
        ("a@exa_mple.com.", "a@exa_mple.com"),
        ("\u00a0a@b.example\t", "a@b.example"),
        ("no address", "no address"),
        ("", ""),
    ],
)
def test_an_address_has_one_form(written: str, normal: str) -> None:
    assert normal_email(written) == normal


def test_sharp_s_and_double_s_are_two_people() -> None:
    assert normal_email("a@straße.example") != normal_email("a@strasse.example")
    assert normal_email("straße@a.example") != normal_email("strasse@a.example")


@given(LETTERS)
def test_a_normal_form_is_its_own(text: str) -> None:
    once = normal_email(text)
    assert normal_email(once) == once
    for channel in ("sms", "push"):
        point = normal_contact_point(channel, text)
        assert normal_contact_point(channel, point) == point


@given(
    st.from_regex(r"[A-Za-z0-9._+-]{1,20}@([A-Za-z0-9]{1,10}\.){1,3}[A-Za-z]{2,6}", fullmatch=True)
)
def test_the_quick_way_and_the_thorough_way_agree(address: str) -> None:
    assert normal_email(address) == normal_email(f"\ufeff{address}") == address.lower()


def test_a_phone_number_is_its_digits() -> None:
    assert normal_contact_point("sms", " +49 (170) 123-45 67") == "+491701234567"
    assert normal_contact_point("whatsapp", "0049 170 1234567") == "+491701234567"
    assert normal_contact_point("sms", "Ada") == "Ada"


def test_a_contact_point_of_all_channels_is_an_address_or_a_number() -> None:
    assert normal_contact_point("all", " Ada@Example.com") == "ada@example.com"
    assert normal_contact_point("all", "0049 170 1234567") == "+491701234567"
    assert normal_contact_point("all", " token-A7 ") == "token-A7"
