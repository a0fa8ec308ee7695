"""Placeholders name nobody, however they are written; what names somebody is let through."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.identifiers import (
    PLACEHOLDERS,
    is_placeholder,
    is_placeholder_email,
    plain_identifier,
)

NOBODY = [
    *("undefined", "null", "NaN", "[object Object]", "0", "-1", "none", "anonymous", "guest"),
    *("test", "true", "FALSE", "n/a", "N/A", "#N/A", "unknown", "nil", "<nil>", "(null)", "Guest"),
    *('"null"', "'undefined'", " null ", "\tNULL\n", "{}", "[]", "{ }", '""', "", "  ", "-", "?"),
    *("00000000-0000-0000-0000-000000000000", "0000000000000000", "00:00:00:00:00:00", "0.0"),
    *("ffffffff-ffff-ffff-ffff-ffffffffffff", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
    *("ｎｕｌｌ", "ＮＵＬＬ", "null\u200b", "\ufeffnull", "\u00a0null\u00a0", "０", "－1"),
    *("{{user_id}}", "${user.id}", "{% user %}", "<%= id %>", "*|UNIQID|*", "not set", "Not-Set"),
    *("userId", "distinct_id", "[object Undefined]", "9774d56d682e549c", "Walk-in", "-Infinity"),
    *("1.23457E+11", "1,23457E+11", "4.91701E+12", "[object Promise]", "[object Map]", "null null"),
    *("undefined,undefined", "undefined undefined undefined", "null-null", "None|None", "nan/nan"),
    *("%7B%7Buser_id%7D%7D", "%257B%257Buser_id%257D%257D", "%24%7Buser.id%7D", "%user_id%"),
    *("{{ customer.identifier | default: customer.email | downcase | url_encode }}", "shop-{{id}}"),
    *("&#123;&#123;id&#125;&#125;", "[[contact.id]]", "{!Contact.Id}", "<?= $id ?>", "%3C%25= id"),
    *("Promise { <pending> }", "function () { return id }", "(null),(null)"),
    *(
        "0" * 200,
        " " * 100 + "null",
        "０" * 36,
        "００００００００-００００-００００-００００-００００００００００００",
    ),
]
SOMEBODY = [
    *("1", "42", "ada", "10", "1000", "a0", "nullman", "guest-42", "test1", "testa", "none-1"),
    *("00000000-0000-0000-0000-000000000001", "0x1", "object-7", "Ünal", "王", "true-north"),
    *("5e2b2a1c-0d1f-4f5a-9d3e-0a8c1f6f7d10", "{5e2b2a1c-0d1f-4f5a-9d3e-0a8c1f6f7d10}"),
    *("1e5", "12E4", "5e10", "e+1", "null-island", "void-1", "a%20b", "100%", "50%-off", "a{1}b"),
    *("none-of-your-business", "x&amp;y", "objective", "Mr. None Nil-Sson"),
]


@pytest.mark.parametrize("value", NOBODY)
def test_placeholders_are_known(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize("value", SOMEBODY)
def test_what_names_somebody_is_no_placeholder(value: str) -> None:
    assert not is_placeholder(value)


@given(
    st.sampled_from(sorted(PLACEHOLDERS)),
    st.text(" \t\n\u00a0\u200b\ufeff", max_size=3),
    st.text(" \t\n\u00a0\u200b\ufeff", max_size=3),
    st.sampled_from([str.upper, str.title, str.lower]),
)
def test_case_and_blanks_make_no_difference(
    word: str, before: str, after: str, cased: Callable[[str], str]
) -> None:
    assert is_placeholder(before + cased(word) + after)


@given(st.text(max_size=80), st.text(min_size=1, max_size=20))
def test_a_workspace_adds_its_own(value: str, own: str) -> None:
    more = frozenset({plain_identifier(own)})
    assert is_placeholder(own, more)
    assert is_placeholder(value, more) or not is_placeholder(value)


@pytest.mark.parametrize(
    ("address", "nobody"),
    [
        ("null@example.com", True),
        ("no-reply@shop.example", True),
        ("noemail@example.com", True),
        ("undefined@undefined.example", True),
        ("0@example.com", True),
        ("test@example.com", False),
        ("guest@hotel.example", False),
        ("nulla@example.com", False),
        ("007@example.com", False),
    ],
)
def test_addresses_that_are_nobodys(address: str, nobody: bool) -> None:  # noqa: FBT001 - a table
    assert is_placeholder_email(address) is nobody
    assert is_placeholder_email(address, frozenset({address}))
