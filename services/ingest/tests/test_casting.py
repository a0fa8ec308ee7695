"""Casts: what a cell becomes, and what is refused instead of guessed."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_ingest.domain.casting import Cast, cast, exact, number
from rapport_ingest.domain.moments import parse_moment


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("007", "string", "007"),
        (42, "string", "42"),
        (42.0, "string", "42"),
        (0.1, "string", "0.1"),
        (True, "string", "true"),
        (" 12.50 ", "number", 12.5),
        ("12", "number", 12),
        ("-1e3", "number", -1000.0),
        (".5", "number", 0.5),
        (1e300, "number", 1e300),
        ("12.0", "integer", 12),
        (3.0, "integer", 3),
        ("YES", "boolean", True),
        (0, "boolean", False),
        ("off", "boolean", False),
        ("2026-01-31 09:30", "datetime", "2026-01-31T09:30:00Z"),
        ("2026-01-31T09:30:00+01:00", "datetime", "2026-01-31T08:30:00Z"),
        ("2026-01-31", "datetime", "2026-01-31T00:00:00Z"),
        ("1769851800", "datetime", "2026-01-31T09:30:00Z"),
        (1769851800000, "datetime", "2026-01-31T09:30:00Z"),
    ],
)
def test_a_value_becomes(value: Any, kind: Cast, expected: Any) -> None:
    found = cast(value, kind)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1,234", "number"),  # 1234 or 1.234: not ours to guess
        ("12 €", "number"),
        ("", "number"),
        ("nan", "number"),
        ("1e999", "number"),
        ("99999999999999999999", "number"),
        ("\u0661", "number"),  # a digit, and no reader of JSON takes it
        (True, "number"),
        ("1.5", "integer"),
        (math.inf, "integer"),
        ("maybe", "boolean"),
        (2, "boolean"),
        ({}, "string"),
        (math.nan, "string"),
        ("31.01.2026", "datetime"),
        ("1e30", "datetime"),
        (1e30, "datetime"),
        (math.nan, "datetime"),
        (True, "datetime"),
        ([], "datetime"),
        ("0001-01-01T00:00:00+14:00", "datetime"),
        *[(10**400, kind) for kind in ("number", "integer", "datetime", "excel_day")],
        *[("9" * 400, kind) for kind in ("number", "integer", "datetime", "excel_day")],
        (2958465.9999999, "excel_day"),
        ("12345678901234567.5", "number"),
    ],
)
def test_what_is_not_one_is_refused(value: Any, kind: Cast) -> None:
    with pytest.raises(ValueError, match=r"is not|beyond 64 bits|more digits"):
        cast(value, kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,50", 1234.5),
        ("1.234", 1234),
        ("-,5", -0.5),
        ("7", 7),
        *[(text, None) for text in ("1.2", "1.5,0", "", ",", "1,2,3")],
    ],
)
def test_decimal_commas(text: str, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=r"decimal comma|not a number"):
            cast(text, "number", decimals=",")
    else:
        assert cast(text, "number", decimals=",") == expected


def test_a_day_of_the_last_year_is_one_west_of_us_too() -> None:
    with pytest.raises(ValueError, match="is not"):
        cast(2958465.99, "excel_day", zone=ZoneInfo("America/New_York"))


def test_what_is_whole_keeps_all_its_digits_whatever_it_is_written_with() -> None:
    found = cast("9007199254740993.0", "number")
    assert (found, type(found)) == (9007199254740993, int)
    assert number(Decimal("1.5")) == 1.5
    with pytest.raises(ValueError, match="more digits"):
        number(Decimal("12345678901234567890.12") * 3)


def test_local_times_and_layouts() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    layout = "%d.%m.%Y %H:%M"
    assert cast("01.07.2026 12:00", "datetime", zone=berlin, layout=layout) == (
        "2026-07-01T10:00:00Z"
    )
    # Half past two came twice that night; the first is meant.
    assert cast("2026-10-25 02:30", "datetime", zone=berlin) == "2026-10-25T00:30:00Z"
    with pytest.raises(ValueError, match=r"a time like %d.%m.%Y"):
        cast("2026-07-01", "datetime", layout=layout)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1, 1, 2)))  # noqa: DTZ001
def test_a_moment_survives(moment: datetime) -> None:
    assert parse_moment(cast(moment.isoformat(), "datetime")) == moment


Anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


@given(Anything, st.sampled_from(Cast.__args__), st.sampled_from([".", ","]))  # type: ignore[attr-defined] # of a Literal
def test_a_cast_gives_json_or_a_value_error(value: Any, kind: Cast, decimals: Any) -> None:
    try:
        found = cast(value, kind, decimals=decimals)
    except ValueError:
        return
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=0, max_value=10**9))
def test_money_is_read_exactly(money: Any) -> None:
    assert exact(f"{money:f}") == money
    assert exact(f"{money:f}".replace(".", ","), ",") == money


def test_an_excel_day_may_be_written_as_a_text() -> None:
    assert cast("2026-01-31 12:00", "excel_day") == cast(46053.5, "excel_day")
    with pytest.raises(ValueError, match="is not a time such as"):
        cast("soon", "excel_day")


def test_a_layout_may_have_its_own_offset() -> None:
    layout = "%d.%m.%Y %H:%M %z"
    found = cast("31.01.2026 09:30 +0200", "datetime", zone=ZoneInfo("Asia/Tokyo"), layout=layout)
    assert found == "2026-01-31T07:30:00Z"


@pytest.mark.parametrize("value", [True, False])
def test_what_is_a_truth_value_stays_one(value: object) -> None:
    assert cast(value, "boolean") is value
