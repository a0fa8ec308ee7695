"""Numbers written as text."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.numbers import plain_number
from rapport_common.testing.examples import examples


@settings(max_examples=examples(200))
@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_what_is_written_as_a_number_is_read_exactly(number: int | Decimal) -> None:
    assert plain_number(str(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1_000", "1,000", "１２", "١٢", "²", ".5", "5.", "1e", "--1"),
        *("1e1234567890", "NaN", "sNaN", "Infinity", "-inf", "0x1f", "1" * 1_001),
    ],
)
def test_what_decimal_would_guess_at_is_no_number(text: str) -> None:
    assert plain_number(text) is None
