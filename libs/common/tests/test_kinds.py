"""Kinds of identifiers: their strength, and the one form of their values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.contact import is_country, phone_number
from rapport_common.events.kinds import (
    KINDS,
    is_kind,
    is_nobodys,
    normal_value,
    rank,
)


def test_own_kinds_stand_between_what_people_carry_and_what_a_device_knows() -> None:
    told = ["anonymous_id", "zeta", "phone", "device_id", "own", "user_id", "loyalty_card"]
    assert sorted(told, key=rank) == [
        *("user_id", "phone", "loyalty_card", "own", "zeta", "device_id", "anonymous_id")
    ]


@given(st.sampled_from([*KINDS, "own"]), st.text(max_size=20), st.sampled_from([None, "DE"]))
def test_a_normal_value_is_its_own_normal_value(kind: str, text: str, country: str | None) -> None:
    found = normal_value(kind, text, country)
    assert found is None or normal_value(kind, found, None) == found


@pytest.mark.parametrize(
    ("kind", "value", "more", "nobodys"),
    [
        ("email", "noreply@example.com", (), True),
        ("email", "ada@example.com", (), False),
        ("email", "desk@example.com", ("desk@example.com",), True),
        ("own", "null", (), True),
        ("own", "Till-7", ("till-7",), True),
        ("own", "Till-7", (), False),
        ("phone", "+491705861234", (), False),
        ("phone", "+491705861234", ("+491705861234",), True),
        *(("phone", one, (), True) for one in ("+4917012345678", "+49170777777777", "+4930000000")),
    ],
)
def test_what_many_share_is_nobodys(
    kind: str,
    value: str,
    more: tuple[str, ...],
    nobodys: bool,  # noqa: FBT001 - a column
) -> None:
    assert is_nobodys(kind, value, frozenset(more)) is nobodys


@pytest.mark.parametrize("name", ["phone", "till_account", "k2", "a" * 64])
def test_a_kind_may_be_called_so(name: str) -> None:
    assert is_kind(name)


@pytest.mark.parametrize("name", ["", "2k", "_k", "Phone", "a-b", "a b", "a" * 65, "k\n", "ä"])
def test_a_kind_may_not_be_called_so(name: str) -> None:
    assert not is_kind(name)


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("0170 12345678", "DE", "+4917012345678"),
        ("tel:0170-12345678", "DE", "+4917012345678"),
        ("+43 1 5861234", "DE", "+4315861234"),
        ("12", "DE", None),
        ("4917012345678", "DE", None),  # with its code or without?
        ("4931 58612", "DE", "+49493158612"),  # without
        ("\u0661\u0662\u0663\u0664\u0665\u0666", "EG", None),
        ("9" * 40, "DE", None),
        ("0170 12345678", None, None),
    ],
)
def test_a_number_without_a_code_is_one_of_the_country(
    text: str, country: str | None, number: str | None
) -> None:
    assert phone_number(text, country) == number


def test_countries_are_those_of_iso_3166() -> None:
    assert is_country("DE")
    assert not any(is_country(one) for one in ("de", "XX", "", "DEU", "001"))
