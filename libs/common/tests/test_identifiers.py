"""Placeholders name nobody, however they are written; what names somebody is let through."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.identifiers import (
    PLACEHOLDERS,
    is_placeholder,
    is_placeholder_email,
    normal_identifier,
    plain_identifier,
    plain_identifiers,
)

NOBODY = [
    *("undefined", "null", "NaN", "[object Object]", "0", "-1", "none", "anonymous", "guest"),
    *("test", "true", "FALSE", "n/a", "N/A", "#N/A", "unknown", "nil", "<nil>", "(null)", "Guest"),
    *('"null"', "'undefined'", " null ", "\tNULL\n", "{}", "[]", "{ }", '""', "", "  ", "-", "?"),
    *("00000000-0000-0000-0000-000000000000", "0000000000000000", "00:00:00:00:00:00", "0.0"),
    *("ffffffff-ffff-ffff-ffff-ffffffffffff", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
    *("ｎｕｌｌ", "ＮＵＬＬ", "null\u200b", "\ufeffnull", "\u00a0null\u00a0", "０", "－1"),
    *('"0"', "(0)", "'00'", "[-]", "<0.0>"),
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


EDGES = st.text(" \t\u00a0\u200b\ufeff\u2060", max_size=3)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        *((" 42\t", "42"), ("", ""), ("  ", ""), ("\u200b\ufeff", ""), ("a b", "a b")),
        *(("\ufeffada\u200b", "ada"), ("\u00a0Ünal\u2060 ", "Ünal"), ("U\u0308nal", "Ünal")),
        # Inside it is the id's own; so are case and width.
        *(("a\u200bb", "a\u200bb"), ("ADA", "ADA"), ("ａｄａ", "ａｄａ")),
    ],
)
def test_an_id_has_one_form(written: str, normal: str) -> None:
    assert normal_identifier(written) == normal


@given(st.text(max_size=12), EDGES, EDGES)
def test_what_stands_around_an_id_is_no_part_of_it(value: str, before: str, after: str) -> None:
    normal = normal_identifier(value)
    assert normal_identifier(before + value + after) == normal == normal_identifier(normal)
    assert unicodedata.is_normalized("NFC", normal)


def test_a_workspaces_own_are_made_ready_once() -> None:
    own = plain_identifiers([" Till-1 ", "ＤＥＳＫ", "till-1"])
    assert own == {"till-1", "desk"}
    assert plain_identifiers([]) == frozenset()
    assert all(is_placeholder(one, own) for one in ("TILL-1", "\u200bdesk"))
    assert not is_placeholder("till-2", own)


LONG = [
    *("0" * 200, "０" * 200, '"' + "0" * 100 + '"', "null " * 14, "(null)," * 30, " - " * 40),
    *("[object Object] " * 9, "function () { return this.session.user.id || this.device.id }" * 2),
    *("function () { return this.session.user.id || this.dev", "#{" + "x" * 90, "nul\u200bl " * 20),
]


@pytest.mark.parametrize("more", [frozenset[str](), frozenset({"desk"})], ids=["none", "own"])
@pytest.mark.parametrize("value", [*NOBODY, *LONG])
def test_what_names_nobody_does_so_however_long_it_is_and_whatever_a_workspace_adds(
    value: str, more: frozenset[str]
) -> None:
    assert is_placeholder(value, more)


PIECES = [
    *(
        "null",
        "None",
        "0",
        "00",
        "guest",
        "ada",
        "7f3a",
        "e+",
        "[object ",
        "function (",
        "{{",
        "}}",
    ),
    *("ü", "Ｎ", '"', "(", "ffffffff-ffff-ffff-ffff-ffffffffffff", "1.2E+11"),
]


@given(st.lists(st.sampled_from([*PIECES, " ", "-", "_", ","]), max_size=30).map("".join))
def test_a_workspaces_own_make_no_difference_to_other_values(value: str) -> None:
    assert is_placeholder(value, frozenset({"the desk"})) == is_placeholder(value)


@pytest.mark.parametrize("more", [frozenset[str](), frozenset({"desk"})], ids=["none", "own"])
@pytest.mark.parametrize("one", ["x" * 65, "ü" * 65, "Ada " * 30, "null-island-" * 9, "ü" * 5000])
def test_a_long_name_is_a_name(one: str, more: frozenset[str]) -> None:
    assert not is_placeholder(one, more)
