"""Mappings: the event a row becomes, and mappings that are refused before any row is read."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_ingest.domain.mapping import (
    Field,
    Mapper,
    Mapping,
    MappingError,
    apply,
    find,
    mapping_of,
)
from rapport_ingest.domain.naming import require_names

CUSTOMER = Mapping(
    type="identify", fields={"userId": "customer id", "traits.email": "mail", "traits.city": "city"}
)
SALE = Mapping(
    event="Order Completed",
    fields={
        "userId": "card",
        "messageId": Field(template="{store}-{till}-{receipt}"),
        "timestamp": Field(path="time", layout="%d.%m.%Y %H:%M"),
        "properties.total": Field(sum=("quantity", "price")),
    },
    group_by="{store}-{till}-{receipt}",
    lines={"sku": "sku", "price": Field(path="price", type="number")},
    decimals=",",
    timezone="Europe/Berlin",
)
LINE = {"store": "7", "till": "2", "receipt": "1001", "time": "01.07.2026 12:00", "card": "c-9"}


def test_a_row_becomes_an_event_without_its_empty_cells() -> None:
    row = {"customer id": "007", "mail": "a@b.example", "city": "  ", "other": "x"}
    assert apply(CUSTOMER, row) == {
        "type": "identify",
        "userId": "007",
        "traits": {"email": "a@b.example"},
    }


def test_rows_of_one_receipt_become_one_event() -> None:
    rows = [
        {**LINE, "card": "", "sku": "A", "quantity": "3", "price": "0,10"},
        {**LINE, "sku": "B", "quantity": "1", "price": "1.000,05"},
    ]
    assert Mapper(SALE).key(rows[0]) == "7-2-1001"
    assert Mapper(SALE).event(rows) == {
        "type": "track",
        "event": "Order Completed",
        "userId": "c-9",
        "messageId": "7-2-1001",
        "timestamp": "2026-07-01T10:00:00Z",
        "properties": {
            "total": 1000.35,
            "products": [{"sku": "A", "price": 0.1}, {"sku": "B", "price": 1000.05}],
        },
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", "exact"),
        ("c.d", "inner"),
        ("list.1.x", 2),
        ("list.7.x", None),
        ("list.-1.x", None),
        ("c.d.e", None),
        (r"e.f\.g", "in one name"),
        (r"e.h\\i", 1),
        ("e.f.g", None),
        ("blank", None),
        ("null", None),
        ("zero", 0),
        ("no", False),
        ("c", {"d": "inner"}),
    ],
)
def test_paths_of_a_row(path: str, expected: Any) -> None:
    row = {
        "a.b": "exact",
        "a": {"b": "hidden"},
        "c": {"d": "inner"},
        "list": [{"x": 1}, {"x": 2}],
        "e": {"f.g": "in one name", "h\\i": 1},
        "blank": " ",
        "null": None,
        "zero": 0,
        "no": False,
    }
    found = find(row, path)
    assert found == expected
    assert type(found) is type(expected)


def test_a_field_with_a_dot_in_its_name_is_one() -> None:
    mapping = Mapping(
        event="Seen", fields={"userId": "id", r"properties.site\.name": r"shop\.name"}
    )
    made = apply(mapping, {"id": "u", "shop.name": "North"})
    assert made["properties"] == {"site.name": "North"}


def test_the_whole_row_goes_into_properties_and_is_not_changed() -> None:
    row = {"id": 5, "inner": {"a": 1}, "none": None}
    mapping = Mapping(
        event="Hook {id}",
        fields={"userId": "id", "properties": ".", "properties.inner.b": Field(value=2)},
    )
    with pytest.raises(MappingError, match="no object"):
        apply(mapping, {**row, "inner": 7})
    assert apply(mapping, row) == {
        "type": "track",
        "event": "Hook 5",
        "userId": "5",
        "properties": {"id": 5, "inner": {"a": 1, "b": 2}},
    }
    assert row == {"id": 5, "inner": {"a": 1}, "none": None}


@pytest.mark.parametrize(
    ("row", "path", "reason"),
    [
        ({**LINE, "till": ""}, "group_by", "till"),
        ({**LINE, "quantity": "2", "price": "1.5"}, "properties.total", "decimal comma"),
        ({**LINE, "quantity": "2"}, "properties.total", "no 'price'"),
        ({**LINE, "time": "2026-07-01"}, "timestamp", "a time like"),
    ],
)
def test_a_bad_row_names_the_field(row: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(MappingError, match=reason) as caught:
        apply(SALE, row)
    assert caught.value.path == path


def test_an_id_or_name_with_a_hole_is_no_id() -> None:
    mapping = Mapping(
        type="identify",
        fields={
            "userId": "u",
            "messageId": Field(template="{a}-{b}"),
            "traits.name": Field(template="{a} {b}"),
        },
    )
    with pytest.raises(MappingError) as caught:
        apply(mapping, {"u": "1", "a": "x"})
    assert caught.value.path == "messageId"
    without = msgspec.structs.replace(
        mapping, fields={**mapping.fields, "messageId": Field(template="{u}")}
    )
    assert "traits" not in apply(without, {"u": "1", "a": "x"})


@pytest.mark.parametrize(
    ("mapping", "path"),
    [
        ({"type": "purchase"}, "mapping"),
        ({"type": "identify", "fields": {"userID": "u"}}, "mapping.fields.userID"),
        ({"type": "identify", "fields": {"userId.x": "u"}}, "mapping.fields.userId.x"),
        ({"type": "identify", "fields": {"userId": ""}}, "mapping.fields.userId"),
        ({"type": "identify", "fields": {"userId": {}}}, "mapping.fields.userId"),
        ({"type": "identify", "fields": {"traits..x": "u"}}, "mapping.fields.traits..x"),
        (
            {"type": "identify", "fields": {"userId": {"path": "a", "template": "b"}}},
            "mapping.fields.userId",
        ),
        (
            {"type": "identify", "fields": {"userId": {"template": "{a"}}},
            "mapping.fields.userId.template",
        ),
        (
            {"type": "identify", "fields": {"userId": {"template": "{a:>9}"}}},
            "mapping.fields.userId.template",
        ),
        (
            {"type": "identify", "fields": {"userId": "u", "traits.a": "x", "traits.a.b": "y"}},
            "mapping.fields.traits.a.b",
        ),
        ({"fields": {"userId": "u"}}, "mapping.fields.event"),
        ({"type": "alias", "fields": {"userId": "u"}}, "mapping.fields.previousId"),
        ({"type": "page", "event": "x", "fields": {"userId": "u"}}, "mapping.event"),
        ({"event": "x", "fields": {"userId": "u"}, "group_by": "r"}, "mapping.group_by"),
        ({"event": "x", "fields": {"userId": "u"}, "timezone": "Mars"}, "mapping.timezone"),
        ({"event": "x", "fields": {"userId": "u"}, "timezone": "Factory"}, "mapping.timezone"),
        ({"event": "x", "fields": {"userId": "u"}, "timezone": "/etc"}, "mapping.timezone"),
        (
            {"event": "x", "fields": {"userId": {"path": "u", "type": "number", "layout": "%d"}}},
            "mapping.fields.userId",
        ),
        ([], "mapping"),
    ],
)
def test_a_bad_mapping_is_refused_at_its_field(mapping: Any, path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        mapping_of(mapping)
    assert caught.value.details["path"] == path


def test_a_mapping_survives_being_stored() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(SALE))
    assert mapping_of(stored) == SALE


Cells = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(st.dictionaries(st.sampled_from([*LINE, "sku", "quantity", "price"]), Cells))
def test_any_row_becomes_an_event_or_a_mapping_error(row: dict[str, Any]) -> None:
    try:
        event = apply(SALE, row)
    except MappingError:
        return
    assert event["messageId"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({f"traits.f{n}": "x" for n in range(501)}, "mapping.fields"),
        ({"userId": Field(sum=("a", "b", "c", "d", "e"))}, "mapping.fields.userId"),
        (
            {"userId": "id", "timestamp": Field(path="t", layout="%d/%d/%Y")},
            "mapping.fields.timestamp.layout",
        ),
    ],
    ids=["too many fields", "too many factors", "a layout with two days"],
)
def test_a_mapping_that_could_not_be_followed_is_refused(
    fields: dict[str, str | Field], path: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Mapper(Mapping(event="x", fields=fields))
    assert caught.value.details["path"] == path


def test_an_event_has_a_bounded_number_of_rows() -> None:
    with pytest.raises(MappingError, match="1001 rows belong to one event; 1000 is the most"):
        Mapper(SALE).event([LINE] * 1001)


@pytest.mark.parametrize(
    ("target", "identifiers", "names"),
    [
        ("userId", {}, True),
        ("context", {}, True),
        ("context.traits", {}, True),
        ("traits.email", {}, True),
        ("traits.name", {}, False),
        ("traits.phone", {}, False),
        ("traits.phone", {"phone": ("traits.phone",)}, True),
        ("traits.email", {"email": ()}, False),
        ("userId", {"user_id": ("properties.customer",)}, False),
    ],
)
def test_a_mapping_makes_a_field_that_names_a_person_at_its_source(
    target: str,
    identifiers: dict[str, tuple[str, ...]],
    names: bool,  # noqa: FBT001 - a column
) -> None:
    mapping = Mapping(type="identify", fields={target: "cell"})
    if names:
        require_names(mapping.fields, identifiers)
        return
    with pytest.raises(InvalidRequestError, match="no row could name a person"):
        require_names(mapping.fields, identifiers)
