"""Amounts and currencies are read exactly, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.money import normal_amount, normal_currency
from rapport_common.events.orders import worth_of_line


@pytest.mark.parametrize("text", ["EUR", "eur", " EUR", "Eur\t"])
def test_a_currency_has_one_form(text: str) -> None:
    assert normal_currency(text) == "EUR"


@pytest.mark.parametrize(
    "value",
    [
        *("EURO", "euro", "€", "", "XXX", "EU", None, 978, ["EUR"], "ＥＵＲ"),
        # Pence and cents, as markets write them.
        *("GBp", "ZAc", " ILa "),
    ],
)
def test_what_is_no_currency_is_none(value: object) -> None:
    assert normal_currency(value) is None


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (12, "12"),
        (-3, "-3"),
        ("1299.00", "1299.00"),
        (" 5 ", "5"),
        (Decimal("0.1234567"), "0.123457"),
        (1e3, "1000"),
        (Decimal("1E+3"), "1000"),
        (1e-7, "0"),
        (0, "0"),
        (99.9, "99.9"),
    ],
)
def test_an_amount_is_exact(value: object, amount: str) -> None:
    assert normal_amount(value) == Decimal(amount)


@pytest.mark.parametrize(
    "value",
    [
        "1_000", "１００",
        "1,299.00", "1.299,00", "1e3", "", "abc", "NaN", "Infinity", "0x10", "१२",
        "--1", ".5", "5.", float("nan"), float("inf"), Decimal("Infinity"), True, None, [], {},
        10**16, 1e300, "9" * 16, "1" * 500, 10**4000, Decimal("1E+500"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_none(value: object) -> None:
    assert normal_amount(value) is None


@pytest.mark.parametrize(
    ("line", "worth"),
    [
        ({"price": 2, "quantity": 3}, "6"),
        ({"price": "2.50"}, "2.50"),
        ({"price": Decimal("0.1"), "quantity": "3", "name": "x"}, "0.3"),
        ({"price": 5, "quantity": None}, "5"),
        ({"price": 5, "quantity": 0}, "0"),
    ],
)
def test_a_product_costs_its_price_as_often_as_it_is_there(line: object, worth: str) -> None:
    assert worth_of_line(line) == Decimal(worth)


@pytest.mark.parametrize(
    "line",
    [
        *(None, "5", 5, [], {}, {"quantity": 2}, {"price": None}, {"price": "1,299.00"}),
        *({"price": 5, "quantity": "two"}, {"price": 5, "quantity": True}, {"price": "NaN"}),
    ],
)
def test_a_product_without_a_readable_price_and_number_costs_nothing_known(line: object) -> None:
    assert worth_of_line(line) is None


@given(st.decimals(-(10**14), 10**14, places=2))
def test_a_number_and_its_text_are_one_amount(amount: Decimal) -> None:
    assert normal_amount(amount) == normal_amount(format(amount, "f")) == amount
