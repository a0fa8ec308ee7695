"""Normal forms: two spellings of one thing are one thing, two things are never one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.contact import (
    contact_point,
    email_address,
    normal_contact_point,
    normal_email,
    phone_number,
    phone_spellings,
    without_separators,
)

ENDLESS = "+490000003706"
"""Of which each reading takes a zero, for longer than anybody reads."""
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


NUMBER = "+4917012345678"


@pytest.mark.parametrize(
    "written",
    [
        NUMBER,
        " +49 (170) 123-456 78",
        "0049 170 12345678",
        "+49 (0)170 12345678",
        "+49 (0) 170/12345678",
        "+49 0170 12345678",
        "tel:+4917012345678",
        "TEL:+49-170-12345678",
        "+49.170.123.456.78",
        "\uff0b\uff14\uff19 170 12345678",
        "\u202a+49 170 12345678\u202c",
        "+49 170 12345678",
        "+49 170\u201112345678",
    ],
)
def test_a_phone_number_is_as_e164_writes_it(written: str) -> None:
    assert phone_number(written) == normal_contact_point("sms", written) == NUMBER
    assert contact_point("whatsapp", written) == NUMBER


@pytest.mark.parametrize(
    "number", [NUMBER, "+390612345678", "+14155550123", "+447400123456", "+861012345678"]
)
def test_every_spelling_of_a_number_is_that_number(number: str) -> None:
    spellings = phone_spellings(number)
    assert {number, f"00{number[1:]}", f"tel:{number}"} <= spellings
    for one in spellings:
        assert phone_number(one) == number
        assert without_separators(f" {one[:-4].upper()} ({one[-4]})\u2011/.{one[-3:]} ") == one


@pytest.mark.parametrize(
    "written",
    [
        *("4917012345678", "0170 12345678", "+49 170 12345678 ext 3", "+49 170 12345678;ext=3"),
        *("", "Ada", "+", "00", "+49", "+1 800 FLOWERS", "+49170123456789012345", "+0170123456"),
        *("+999123456789", "+49 170 12345678, +49 170 12345679", "+49\u0661\u0662\u0663" * 3),
        "+49170" + " " * 100 + "12345678",
    ],
)
def test_what_is_no_phone_number_of_the_world_is_none(written: str) -> None:
    assert phone_number(written) is None
    assert contact_point("sms", written) is None


def test_a_zero_that_is_part_of_the_number_stays() -> None:
    assert phone_number("+39 (0)6 12345678") == phone_number("+39 06 12345678") == "+390612345678"


@pytest.mark.parametrize(
    "written",
    [
        *("a@example.com, b@example.com", "a@example.com;b@example.com", "a@b@example.com"),
        *("Ada <ada@example.com>", "<ada@example.com>", "mailto:ada@example.com", "ada@example"),
        *("ada @example.com", "x@example.com\r\nBcc: z@example.com", "x@example.com\x7f@a.b"),
        *("", "@example.com", "ada@", "ada@.example.com", "ada@example..com", "ada" * 99 + "@a.de"),
    ],
)
def test_what_is_not_one_address_is_none(written: str) -> None:
    assert email_address(written) is None
    assert contact_point("email", written) is None


def test_an_address_is_taken_in_its_one_form() -> None:
    assert email_address(" Ada@Example.COM\ufeff") == "ada@example.com"
    assert email_address("o'neil+x@m\u00fcnchen.example") == "o'neil+x@m\u00fcnchen.example"


@given(LETTERS, st.sampled_from(["email", "sms", "push"]))
def test_a_contact_point_is_its_own(text: str, channel: str) -> None:
    point = contact_point(channel, text)
    assert point is None or contact_point(channel, point) == point == (
        normal_contact_point(channel, text)
    )


@given(st.from_regex(r"(\+|00)[1-9][0-9 ()/-]{5,16}", fullmatch=True))
def test_a_number_is_its_own(text: str) -> None:
    point = phone_number(text)
    assert point is None or phone_number(point) == point


def test_a_contact_point_of_all_channels_is_an_address_or_a_number() -> None:
    assert normal_contact_point("all", " Ada@Example.com") == "ada@example.com"
    assert normal_contact_point("all", "0049 170 1234567") == "+491701234567"
    assert (
        normal_contact_point("all", " token-A7 ") == contact_point("all", "token-A7") == "token-A7"
    )
    assert contact_point("all", "0170 12345678") is None
    assert contact_point("all", "Ada <ada@example.com>") is None


def test_a_number_that_is_another_at_each_reading_is_none() -> None:
    assert phone_number(ENDLESS) is None


@pytest.mark.parametrize(
    "stated",
    ["+49 (0)030 12345678", "0049 0030 12345678", "+43 001 5123456", "+49 000030 12345678"],
)
def test_a_number_has_one_form_however_many_zeros_it_was_written_with(stated: str) -> None:
    found = phone_number(stated)
    assert found is None or phone_number(found) == found
    if found is not None:
        assert not found.removeprefix("+49").removeprefix("+43").startswith("0")
