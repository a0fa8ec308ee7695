"""One thing in several spellings is one thing to a rule: dates, phone numbers, ids."""

import operator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.judging import predicate, told

from rapport_common.events.contact import phone_number
from rapport_common.events.profile import ComputedState, IdentifierState, ProfileState
from rapport_segment.domain.elements import LONG
from rapport_segment.domain.rules import parse


def fits(value: Any, op: str, wanted: Any, name: str = "t") -> bool:
    """Whether a trait fits: a value, a list that has it and a long one alike."""
    rule = predicate(parse({"trait": name, "op": op, "value": wanted}))
    verdicts = set()
    listed = value if isinstance(value, list) else [value]
    for shown in (value, listed, listed + [None] * LONG):
        raw = msgspec.Raw(msgspec.json.encode({name: shown}))
        state = ProfileState(identifiers=[], traits=raw, computed=ComputedState())
        verdicts.add(rule(told(state)))
    [verdict] = verdicts
    return verdict


@pytest.mark.parametrize("instant", ["2000-05-06T00:00:00Z", "2000-05-06T02:00+02:00"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_date_is_its_midnight_in_utc(instant: str, *, turned: bool) -> None:
    value, wanted = (instant, "2000-05-06") if turned else ("2000-05-06", instant)
    holding = {op for op in ("eq", "ne", "gt", "gte", "lt", "lte") if fits(value, op, wanted)}
    assert holding == {"eq", "gte", "lte"}
    assert fits(value, "in", ["x", wanted])
    assert fits([value], "contains", wanted)


NEW_YEAR = datetime.fromisoformat("2000-01-01")
MOMENTS = st.datetimes(
    NEW_YEAR - timedelta(days=1), NEW_YEAR + timedelta(days=1)
) | st.sampled_from([NEW_YEAR + timedelta(microseconds=one) for one in (-1, 0, 1)])
DAYS = st.dates(date(1999, 12, 30), date(2000, 1, 3))
OFFSETS = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@st.composite
def points(draw: st.DrawFn) -> tuple[str, datetime]:
    """A time as somebody writes it, and when it is."""
    if draw(st.booleans()):
        day = draw(DAYS)
        return day.isoformat(), datetime(day.year, day.month, day.day, tzinfo=UTC)
    moment = draw(MOMENTS).replace(tzinfo=UTC)
    return moment.astimezone(draw(OFFSETS)).isoformat(draw(st.sampled_from("T "))), moment


@given(points(), points(), st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]))
def test_dates_and_instants_are_compared_as_times(
    mine: tuple[str, datetime], wanted: tuple[str, datetime], op: str
) -> None:
    compare = getattr(operator, {"gte": "ge", "lte": "le"}.get(op, op))
    assert fits(mine[0], op, wanted[0]) == compare(mine[1], wanted[1])


def test_an_address_is_itself_in_a_list_too() -> None:
    for op in ("eq", "contains"):
        assert fits(["x", " Ada@X.ORG"], op, "ADA@x.org", "email")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-01-31T02:00:30Z", "2026-01-31"),
        ("2026-01-31T02:00:30Z", "2026-01-31T02"),
        ("2026-01-31T02:00:30Z", "2026-01-31 02:00"),
        ("2026-01-31T10:00:30+08:00", "2026-01-31T02:00:30Z"),
        ("2026-01-31 in words", "2026-01-31 in"),
        ("Orle\u0301ans", "Orl\u00e9"),
    ],
)
def test_a_beginning_is_in_the_form_of_the_data(value: str, wanted: str) -> None:
    assert fits(value, "starts_with", wanted)


@pytest.mark.parametrize("day", ["2000-13-45", "2000-05-06 ", "2000-5-6", "0000-01-01"])
def test_what_is_no_date_is_a_text(day: str) -> None:
    assert fits(day, "eq", day)
    assert not fits(day, "eq", "2000-05-06T00:00:00Z")
    assert not fits(f"{day}T00:00:00.000000Z", "eq", day)


SPELLINGS = [
    "+491701234567",
    "+49 170 1234567",
    "+49 (0)170 / 123 45-67",
    "0049\u00a0170\u20111234567",
    "tel:+49-170-1234567",
    "TEL:0049 170 1234567",
]


@pytest.mark.parametrize("wanted", SPELLINGS)
@pytest.mark.parametrize("value", SPELLINGS)
def test_a_phone_number_is_itself_however_it_is_written(value: str, wanted: str) -> None:
    for name in ("phone", "phoneNumber", "mobile_phone"):
        assert fits(value, "eq", wanted, name)
        assert fits(value, "in", ["x", wanted], name)
        assert not fits(value, "ne", wanted, name)
    # Elsewhere an operand has to look like one: a code may begin with 00.
    if wanted.startswith("+"):
        assert fits(value, "eq", wanted)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("0170 1234567", "+491701234567"),  # of which country?
        ("+49 170 1234568", "+491701234567"),
        ("+49 170 1234567 ext. 9", "+491701234567"),
        ("+39 6 1234 5678", "+39 06 1234 5678"),  # in Italy a zero is part of it
        (491701234567, "+491701234567"),
        ("+49 170 1234567" + " " * 60, "+491701234567"),
        ("00-12", "0012"),
        ("1-2", "12"),
        ("+4 9", "+49"),
    ],
)
def test_another_number_is_another(value: Any, wanted: str) -> None:
    assert not fits(value, "eq", wanted, "phone")


@given(
    st.sampled_from(["+491701234567", "+14155550123", "+390612345678", "+447400123456"]),
    st.lists(st.sampled_from(["", "", " ", "-", ".", "/", "(", ") "]), min_size=12, max_size=14),
)
def test_separators_say_nothing(number: str, between: list[str]) -> None:
    written = "+" + "".join(map("".join, zip(number[1:], between, strict=False)))
    written += number[1 + len(between) :]
    assert fits(written, "eq", number) == (phone_number(written) == number)


ID_LIKE = ["sp-1", "2000-05-06", "2000-05-06T00:00:00Z", "36", "true", "+491701234567"]


@pytest.mark.parametrize("mine", ID_LIKE)
def test_an_id_is_a_text_whatever_it_looks_like(mine: str) -> None:
    state = ProfileState(
        identifiers=[IdentifierState("user_id", mine)],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(),
    )
    facts = told(state)
    others = {*ID_LIKE, "36.0", "2000-05-06T00:00:00.000000Z", "+49 170 1234567"} - {mine}
    for kind in ("user_id", "userId", " User-ID"):

        def holds(op: str, value: Any, kind: str = kind) -> bool:
            return predicate(parse({"identifier": kind, "op": op, "value": value}))(facts)

        assert holds("eq", f" {mine}\u200b ")
        assert holds("in", ["x", mine])
        assert not holds("ne", mine)
        for other in others:
            assert not holds("eq", other)
            assert holds("ne", other)


def test_a_phone_is_one_number_however_it_is_written() -> None:
    state = ProfileState(
        identifiers=[IdentifierState("phone", "+4917012345678")],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(),
    )
    for written in ("+49 (0)170 12345678", "0049 170 12345678", "tel:+4917012345678"):
        for kind in ("phone", "Phone"):
            rule = {"identifier": kind, "op": "eq", "value": written}
            assert predicate(parse(rule))(told(state))


def test_a_part_of_an_id_is_composed() -> None:
    state = ProfileState(
        identifiers=[IdentifierState("user_id", "caf\u00e9-1")],
        traits=msgspec.Raw(b"{}"),
        computed=ComputedState(),
    )
    for op, part in (("contains", "fe\u0301-"), ("starts_with", "cafe\u0301")):
        rule = parse({"identifier": "user_id", "op": op, "value": part})
        assert predicate(rule)(told(state))
