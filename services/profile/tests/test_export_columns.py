"""The columns of an export, and texts made of them: without a server."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from services.profile.tests.people import START, event

from rapport_common.exporting.columns import Kind, UnknownColumnError, text_of
from rapport_common.exporting.texts import CsvWriting, JsonWriting
from rapport_profile.domain.export_columns import Person, columns_of
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.published import Summary
from rapport_profile.domain.shown import SECTIONS, shown_profile

HISTORY = [
    event(
        "1",
        type="identify",
        user_id="U",
        traits={
            "email": "ada@x.org",
            "name": "Ada",
            "gone": None,
            "price": 1.50,
            "to": {"a": [1]},
            "a.b": 2,
        },
    ),
    event("2", user_id="U", name="Order Completed", said={"total": "12.50"}, at=1),
]
NAMED = [("user_id", "U", START), ("card", "2", START), ("card", "1", START)]
ADA = Summary(3, named=NAMED, fold=fold_all(HISTORY))
WHO = Person("p1", 7, ADA)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("id", Kind.TEXT, "p1"),
        ("version", Kind.NUMBER, "7"),
        ("identifiers.card", Kind.TEXTS, '["1","2"]'),
        ("identifiers.email", Kind.TEXTS, "[]"),
        ("contact_points.email", Kind.TEXT, "ada@x.org"),
        ("contact_points.sms", Kind.TEXT, None),
        ("traits.name", Kind.JSON, "Ada"),
        ("traits.gone", Kind.JSON, None),
        ("traits.never", Kind.JSON, None),
        ("traits.price", Kind.JSON, "1.5"),
        ("traits.to", Kind.JSON, '{"a":[1]}'),
        ("traits.to.a", Kind.JSON, "[1]"),
        ("traits.to.a.b", Kind.JSON, None),
        ("traits.to.b", Kind.JSON, None),
        ("traits.a.b", Kind.JSON, "2"),
        (r"traits.to\.a", Kind.JSON, None),
        ("computed.orders", Kind.NUMBER, "1"),
        ("computed.revenue", Kind.JSON, '{"USD":"12.50"}'),
        ("computed.last_order_at", Kind.TIME, "2026-01-01T00:01:00Z"),
    ],
)
def test_a_column_has_one_kind_and_a_text(name: str, kind: Kind, text: str | None) -> None:
    [column] = columns_of([name, name])
    assert (column.name, column.kind) == (name, kind)
    assert text_of(column.of(WHO)) == text


@pytest.mark.parametrize("name", ["idd", "traits.", ".x", "version.x", "computed.x", ""])
def test_what_is_no_column_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(UnknownColumnError, match=r"no column\. There are id, version.*computed"):
        columns_of(["id", name])


def test_sections_are_as_the_api_shows_them() -> None:
    shown = json.loads(msgspec.json.encode(shown_profile("p1", 7, ADA)))
    written = JsonWriting(columns_of(SECTIONS))
    line = written.begin() + written.add([WHO]) + written.end()
    assert json.loads(line) == {name: shown[name] for name in SECTIONS}
    bare = json.loads(msgspec.json.encode(shown_profile("p1", 7, ADA, [])))
    assert set(bare) == {"id", "version", "omitted"}


def test_a_file_that_goes_on_has_no_line_of_names() -> None:
    columns = columns_of(["id"])
    whole = CsvWriting(columns, guarded=True)
    assert whole.begin() + whole.add([WHO]) + whole.end() == b"id\r\np1\r\n"
    assert CsvWriting(columns, guarded=True, named=False).begin() == b""


def test_times_are_utc_and_numbers_keep_their_digits() -> None:
    assert text_of(datetime(2026, 2, 28, 23, 30, tzinfo=UTC)) == "2026-02-28T23:30:00Z"
    assert text_of(msgspec.Raw(b"12.50")) == "12.50"
