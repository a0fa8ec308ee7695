"""Segments of text messages: known ones, and what holds of all."""

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_campaign.domain.sms import BASIC, EXTENDED, Measure, Price, cost, measure, price_of
from rapport_common.testing.examples import examples

LETTERS = st.text(st.sampled_from(sorted(BASIC | EXTENDED)), max_size=500)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "gsm7", 0, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("€" * 80, "gsm7", 160, 1),
        # 153 is odd: the last place of a part stays empty before a letter of two.
        ("€" * 153, "gsm7", 306, 3),
        ("é@£$¥ÄÖÜäöüß", "gsm7", 12, 1),
        ("ê", "ucs2", 1, 1),
        ("你" * 70, "ucs2", 70, 1),
        ("你" * 71, "ucs2", 71, 2),
        ("你" * 134, "ucs2", 134, 2),
        ("🎉" * 35, "ucs2", 70, 1),
        ("🎉" * 67, "ucs2", 134, 3),
        ("“", "ucs2", 1, 1),
    ],
)
def test_known_texts(text: str, encoding: str, units: int, segments: int) -> None:
    found = measure(text)
    assert (found.encoding, found.units, found.segments) == (encoding, units, segments)


def test_what_forces_wide_letters_is_named_once() -> None:
    assert measure("naïve “quotes” naïve").forcing == ("ï", "“", "”")
    assert len(measure("".join(map(chr, range(0x4E00, 0x4F00)))).forcing) == 20


def test_the_alphabet_is_that_of_the_standard() -> None:
    assert (len(BASIC), len(EXTENDED)) == (127, 10)
    assert all(unicodedata.name(one, "") or one in "\n\r\f" for one in BASIC | EXTENDED)


@settings(max_examples=examples(300))
@given(LETTERS)
def test_of_letters_of_gsm(text: str) -> None:
    found = measure(text)
    assert (found.encoding, found.forcing) == ("gsm7", ())
    assert found.units == sum(2 if one in EXTENDED else 1 for one in text)
    _holds(found)


@settings(max_examples=examples(300))
@given(ANY)
def test_of_any_text(text: str) -> None:
    found = measure(text)
    if found.encoding == "ucs2":
        assert found.units == len(text.encode("utf-16-be")) // 2
        assert found.forcing
    _holds(found)


@settings(max_examples=examples(200))
@given(ANY, ANY)
def test_a_longer_text_never_has_fewer_segments(text: str, more: str) -> None:
    assert measure(text + more).segments >= measure(text).segments


def _holds(found: Measure) -> None:
    assert found.units <= found.room
    part = 153 if found.encoding == "gsm7" else 67
    if found.segments > 1:
        assert found.units > (160 if found.encoding == "gsm7" else 70)
        # At most one place of each part stays empty.
        assert found.units > (found.segments - 1) * (part - 1)


def test_the_longest_prefix_says_what_it_costs() -> None:
    prices = [
        Price("", Decimal("0.1")),
        Price("49", Decimal("0.07")),
        Price("491", Decimal("0.08")),
    ]
    assert price_of(prices, "+4915112345678") == Decimal("0.08")
    assert price_of(prices, "+4930123456") == Decimal("0.07")
    assert price_of(prices, "+8613800138000") == Decimal("0.1")
    assert price_of(prices[1:], "+1555") is None
    assert cost(prices, "+4930123456", 3) == Decimal("0.21")
    assert cost([], "+4930123456", 3) is None
