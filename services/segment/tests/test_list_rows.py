"""Rows of files for lists: what is taken of them, whatever pieces they are read in."""

import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.judging import NOON, told

from rapport_common.events.profile import ComputedState, IdentifierState, ProfileState
from rapport_common.files.parts import Refusal
from rapport_common.files.uploads import At
from rapport_segment.domain.evaluate import judge_of
from rapport_segment.domain.list_rows import ListSpec, identifiers_of, wrong_kind
from rapport_segment.domain.naming import Refused, named
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rolls import Roll
from rapport_segment.domain.rules import parse
from rapport_segment.domain.tree import Leaf
from rapport_segment.handlers.list_files import ListFile

LIST = "01a22947-d1de-7294-96aa-7a623b834ab5"
CELLS = st.sampled_from(
    ["", " ", "ada@x.org", "Bob@X.org", "no address", "null@x.org", "a\n\nb", 'say "x"', "é@x.org"]
)


@pytest.mark.parametrize(
    ("values", "given", "expected"),
    [
        ({"E-Mail": " Ada@X.org "}, {}, [("email", "ada@x.org")]),
        ({"userId": "36", "city": "Bonn"}, {}, [("user_id", "36")]),
        ({"user_id": 36}, {}, [("user_id", "36")]),
        ({"kind": "Phone", "value": "+49 171 5550123"}, {}, [("phone", "+491715550123")]),
        ({"kind": "x_card", "value": "0007"}, {}, [("x_card", "0007")]),
        ({"Mail": "a@x.org", "email": None}, {"email": "Mail"}, [("email", "a@x.org")]),
        ({"email": "a@x.org", "phone": "12"}, {}, "invalid_value"),
        ({"email": True}, {}, "invalid_value"),
        ({"email": ["a@x.org"]}, {}, "invalid_value"),
        ({"user_id": "guest"}, {}, "placeholder"),
        ({"user_id": "x" * 1025}, {}, "invalid_value"),
        ({"user_id": "a\0b"}, {}, "invalid_value"),
        ({"kind": "no kind", "value": "1"}, {}, "invalid_kind"),
        ({"email": "  "}, {}, "no_identifier"),
        ({"city": "Bonn"}, {}, "no_identifier"),
    ],
    ids=str,
)
def test_what_a_row_has(
    values: dict[str, Any], given: dict[str, str], expected: list[tuple[str, str]] | str
) -> None:
    found = identifiers_of(values, given)
    assert (found.code if isinstance(found, Refused) else found) == expected


def test_the_first_that_can_not_be_a_kind_is_named() -> None:
    assert wrong_kind(["E-Mail", "userId", "x_card"]) is None
    assert wrong_kind(["email", "no kind", "?"]) == "no kind"


@given(st.text(max_size=30) | st.integers() | st.floats() | st.none(), st.text(max_size=10))
def test_what_is_an_identifier_stays_as_it_is(value: object, kind: str) -> None:
    for one in (kind, "email", "phone", "user_id"):
        found = named(one, value)
        if not isinstance(found, Refused):
            assert named(*found) == found


def read(content: bytes, most: int) -> tuple[list[tuple[str, str]], list[Refusal], int]:
    """All of a file, in pieces; each goes on where the one before ended, as after a crash."""
    spec = ListSpec(list_id=LIST, form="csv")
    found: list[tuple[str, str]] = []
    refusals: list[Refusal] = []
    at, rows = At(), 0
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        while (piece := ListFile(file, spec).piece(at, most)) is not None:
            assert piece.after != at
            found += piece.identifiers
            refusals += piece.refusals
            at, rows = piece.after, rows + piece.rows
    return found, refusals, rows


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.integers(1, 9))
def test_pieces_of_any_size_come_to_the_same(rows: list[tuple[str, str]], most: int) -> None:
    cells = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in rows]
    text = "email,note\r\n" + "\r\n".join(map(",".join, cells)) + "\r\n\r\n"
    whole, refusals, number = read(text.encode(), 100)
    found, *others = read(text.encode(), most)
    assert (set(found), others) == (set(whole), [refusals, number])
    # Each refused row begins in the line that is named.
    lines = text.split("\n")
    begins = {row[0].split("\n", maxsplit=1)[0] for row in cells}
    assert {lines[one.line - 1].split(",", maxsplit=1)[0] for one in refusals} <= begins


def test_who_is_on_a_list_is_on_it_by_kind_and_value() -> None:
    [leaf] = [parse({"list": LIST})]
    assert isinstance(leaf, Leaf)
    judge = judge_of(leaf)
    roll = Roll({LIST: "VIP"}, {("email", "1"): frozenset({LIST}), ("phone", "2"): frozenset("x")})
    for kind, value, verdict in (
        ("email", "1", True),
        ("user_id", "1", False),
        ("phone", "2", False),
        ("email", "2", False),
    ):
        state = ProfileState(
            identifiers=[IdentifierState("device_id", "0"), IdentifierState(kind, value)],
            traits=b"{}",  # type: ignore[arg-type] # as it comes
            computed=ComputedState(),
        )
        facts = told(state).listed(roll)
        assert judge(View(facts, NOON)) == (verdict, None)
