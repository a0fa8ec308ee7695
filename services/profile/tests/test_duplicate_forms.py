"""What people, forms and systems write, and what of it is compared."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_profile.domain.duplicates.addresses import Address, address_in, address_of
from rapport_profile.domain.duplicates.birthdays import birthday_of
from rapport_profile.domain.duplicates.contacts import email_of, gender_of, mailbox, phone_of
from rapport_profile.domain.duplicates.known import MOST, Known, known_of
from rapport_profile.domain.duplicates.names import Name, name_of
from rapport_profile.domain.duplicates.words import pinyin, plain, skeleton


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("  Ｚoë  O'Brien-Łoś ", "zoe obrien los"),
        ("STRAẞE", "strasse"),
        ("Ångström Æsir", "angstrom aesir"),
        ("null", ""),
        ("n/a", ""),
        ("王 小明", "王 小明"),
        ("", ""),
    ],
)
def test_a_text_in_plain_form(text: str, form: str) -> None:
    assert plain(text) == form


@given(st.text(max_size=40))
def test_the_plain_form_is_that_of_itself(text: str) -> None:
    assert plain(plain(text)) in {plain(text), ""}


def test_what_stays_of_a_word_through_slips() -> None:
    assert skeleton("smith") == skeleton("smiith") == skeleton("smyth")
    assert skeleton("") == ""


def test_pinyin_is_of_chinese_only() -> None:
    assert (pinyin("王小明"), pinyin("ada")) == ("wangxiaoming", "ada")


@pytest.mark.parametrize(
    ("full", "given", "family", "name"),
    [
        ("Ada Lovelace", "", "", Name("ada", "lovelace")),
        ("Lovelace, Ada", "", "", Name("ada", "lovelace")),
        ("Lovelace,", "", "", Name("lovelace")),
        ("Dr. Ada King Lovelace", "", "", Name("ada king", "lovelace")),
        ("Herr Schmidt", "", "", Name("", "schmidt")),
        ("Ada", "", "", Name("ada")),
        ("Dr", "", "", Name("dr")),
        ("Ada", "A.", "Lovelace", Name("a", "lovelace")),
        ("", "Ada", "", Name("ada")),
        ("", "Mrs Ada", "null", Name("ada")),
        ("王小明", "", "", Name("xiaoming", "wang", "王小明")),
        ("王 小明 先生", "", "", Name("xiaoming", "wang", "王小明")),
        ("欧阳娜娜", "", "", Name("nana", "ouyang", "欧阳娜娜")),
        ("欧阳", "", "", Name("yang", "ou", "欧阳")),
        ("单小明", "", "", Name("xiaoming", "shan", "单小明")),
        ("明", "", "", Name("ming", "", "明")),
        ("", "小明", "王", Name("xiaoming", "wang", "王小明")),
        ("", "小 明", "", Name("ming", "xiao", "小明")),
        ("", "Ming", "王", Name("", "wang", "王")),
        ("null null", "", "", Name()),
        ("", "", "", Name()),
    ],
)
def test_a_name(full: str, given: str, family: str, name: Name) -> None:
    assert name_of(full, given, family) == name


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1990-05-04", date(1990, 5, 4)),
        ("1990-05-04T00:00:00Z", date(1990, 5, 4)),
        ("19900504", date(1990, 5, 4)),
        ("1990/5/4", date(1990, 5, 4)),
        ("1990年5月4日", date(1990, 5, 4)),
        ("１９９０年５月４日", date(1990, 5, 4)),
        ("04.05.1990", date(1990, 5, 4)),
        ("05/24/1990", date(1990, 5, 24)),
        ("29.02.2000", date(2000, 2, 29)),
        ("1999-02-29", None),
        ("0000-00-00", None),
        ("1900-01-01", None),
        ("1970-01-01T00:00:00Z", None),
        ("1234-05-06", None),
        ("99/99/1990", None),
        ("05-04", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_birthday(text: str, day: date | None) -> None:
    assert birthday_of(text) == day


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("12 Main St, Springfield 12345", Address("12345", "springfield", "main street", "12")),
        ("Hauptstr. 5", Address("", "", "hauptstrasse", "5")),
        ("上海市浦东新区世纪大道１００号3幢502室", Address("", "上海 浦东新", "世纪大道", "100")),
        ("上海浦东新区世纪大道100号", Address("", "上海 浦东新", "世纪大道", "100")),
        ("广东省深圳市南山区科技路7号", Address("", "深圳 南山", "科技路", "7")),
        ("内蒙古自治区呼和浩特市", Address("", "呼和浩特", "", "")),
        (" , ", Address()),
    ],
)
def test_an_address_in_one_line(line: str, address: Address) -> None:
    assert address_in(line) == address


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        (
            {"street": "Main Street 12", "city": "Springfield", "postalcode": "12 345"},
            Address("12345", "springfield", "main street", "12"),
        ),
        (
            {"street": "Main Rd", "streetnumber": "No. 7a", "suburb": "Yass", "city": "Sydney"},
            Address("", "yass", "main road", "7"),
        ),
        (
            {"city": "深圳市", "district": "南山区", "street": "科技路7号", "zip": "518000"},
            Address("518000", "深圳 南山", "科技路", "7"),
        ),
        ({"街道": "北京市朝阳区建国路5号"}, Address("", "北京 朝阳", "建国路", "5")),
        ({"city": "Shanghai", "street": "\U00020000路1号"}, Address("", "shanghai", "𠀀路", "1")),
        ({}, Address()),
    ],
)
def test_an_address_in_fields(fields: dict[str, str], address: Address) -> None:
    assert address_of(fields) == address


def test_contact_points() -> None:
    assert email_of(" Ada@EXAMPLE.com") == "ada@example.com"
    assert (email_of("noreply@example.com"), email_of("no address")) == ("", "")
    assert mailbox("a.d.a+shop@example.com") == "ada@example.com"
    assert phone_of("+49 170 9274481") == "+491709274481"
    assert phone_of("0170 9274481") == "1709274481"
    assert (phone_of("12345"), phone_of("0000000000"), phone_of("+49 170 7777777")) == ("", "", "")
    assert [gender_of(one) for one in ("Herr", "女", "x", "")] == ["m", "f", "", ""]


def test_what_is_compared_of_a_person() -> None:
    traits: dict[str, Any] = {
        "First Name": "Ada",
        "last_name": "Lovelace",
        "name": "Ada L",
        "dateOfBirth": 19900504,
        "gender": "w",
        "Email": "ADA@example.com",
        "mobile": "+49 170 9274481",
        "address": {"street": "Main St 5", "zip": 12345, "rooms": [1]},
        "shipping_address": "Main St 7, Springfield",
        "billingAddress": 7,
        "national_id": "AB 12",
        "ssn": "null",
        "vip": True,
    }
    assert known_of(traits, [("user_id", "u"), ("email", "a@x.example"), ("phone", "+1")]) == Known(
        (Name("ada", "l"), Name("ada", "lovelace")),
        date(1990, 5, 4),
        "f",
        ("a@x.example", "ada@example.com"),
        ("+491709274481",),
        (("nationalid", "ab12"),),
        (Address("", "springfield", "main street", "7"), Address("12345", "", "main street", "5")),
    )


def test_words_for_nothing_are_nothing() -> None:
    nothing = {"name": "null", "email": "n/a", "birthday": "0000-00-00", "phone": "0", "city": "-"}
    assert known_of(nothing, []) == Known()


def test_what_is_compared_does_not_depend_on_what_came_first() -> None:
    traits = {"first_name": "Anna", "firstName": "Johanna", "phone_number": "+49301234567"}
    assert known_of(traits, []) == known_of(dict(reversed(traits.items())), [])
    assert known_of({"gender": "m"}, []) == Known(gender="m")


def test_who_has_many_addresses_is_compared_by_some() -> None:
    many = [("email", f"{n}@example.com") for n in range(10, 99)]
    assert len(known_of({}, many).emails) == MOST


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["name", "birthday", "address", "phone", "gender", "email", "城市", "zip"])


@given(st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=8))
def test_any_traits_can_be_compared(traits: dict[str, Any]) -> None:
    known = known_of(traits, [])
    assert known == known_of(dict(reversed(traits.items())), [])
