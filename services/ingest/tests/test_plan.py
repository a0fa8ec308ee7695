"""Plans: what breaks a schema, and which schemas are refused. No server."""

from typing import Any

import pytest
from tests.support.waiting import HANG_SECONDS

from rapport_common.errors import InvalidRequestError
from rapport_ingest.domain.plan import (
    Plan,
    PlannedEvent,
    Violation,
    check_entries,
    difference,
)

PAID = {
    "type": "object",
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "email": {"type": "string", "format": "email"},
        "products": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}},
    },
    "additionalProperties": False,
}


def planned(schema: dict[str, Any], version: str = "1", name: str = "Paid") -> PlannedEvent:
    return PlannedEvent("track", name, version, schema)


def violations(schema: dict[str, Any], payload: dict[str, Any]) -> list[Violation]:
    found = Plan([planned(schema)]).check("track", "Paid", None, payload)
    assert found is not None
    return found


def refused(schema: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        check_entries([planned({"type": "object"}), planned(schema, "2")])
    field: str = caught.value.details["field"]
    assert caught.value.message.startswith(field)
    return field


def test_a_good_event_breaks_nothing() -> None:
    check_entries([planned(PAID)])
    assert violations(PAID, {"total": 1, "products": [{"price": 1.5}]}) == []


def test_violations_name_field_and_rule_but_never_the_value() -> None:
    payload = {
        "total": -77.5,
        "email": "secret",
        "products": [{}, {"price": "secret"}],
        "secret_free": 1,
    }
    found = {one.path: one for one in violations(PAID, payload)}
    assert {path: one.rule for path, one in found.items()} == {
        "properties.total": "minimum",
        "properties.email": "format",
        "properties.products[1].price": "type",
        "properties": "additionalProperties",
    }
    assert not any("77.5" in one.message or '"secret"' in one.message for one in found.values())
    assert "The value" in found["properties.total"].message


def test_a_missing_property_is_named_itself() -> None:
    (found,) = violations(PAID, {})
    assert (found.path, found.rule) == ("properties.total", "required")


def test_at_most_twenty_are_looked_for_and_messages_are_short() -> None:
    schema = {"additionalProperties": {"enum": ["x" * 200, "y" * 200]}}
    found = violations(schema, {f"p{index}": index for index in range(50)})
    assert len(found) == 20
    assert all(len(one.message) <= 300 for one in found)


def test_the_stated_version_counts_and_else_the_newest() -> None:
    plan = Plan([planned({"required": ["a"]}, "1"), planned({"required": ["b"]}, "2")])
    assert plan.check("track", "Paid", "1", {"a": 1}) == []
    assert plan.check("track", "Paid", "2", {"b": 1}) == []
    assert plan.check("track", "Paid", None, {"b": 1}) == []
    assert plan.check("track", "Paid", None, {"a": 1})
    assert plan.check("track", "Paid", "3", {}) is None
    assert plan.check("track", "Other", None, {}) is None
    assert plan.check("page", "Paid", None, {}) is None


def test_traits_are_the_part_of_identify() -> None:
    plan = Plan([PlannedEvent("identify", "", "1", {"required": ["plan"]})])
    found = plan.check("identify", None, None, {})
    assert found is not None
    assert found[0].path == "traits.plan"


def test_older_drafts_and_local_references_hold() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/paid",
        "definitions": {"money": {"type": "number"}},
        "properties": {"total": {"$ref": "#/definitions/money"}},
    }
    check_entries([planned(schema)])
    assert violations(schema, {"total": "1"})[0].path == "properties.total"


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "nope"}, ".type"),
        ({"properties": {"a": {"minimum": "x"}}}, ".properties.a.minimum"),
        ({"properties": {"a": {"pattern": "("}}}, ".properties.a.pattern"),
        ({"properties": {"a": {"pattern": r"(a+)+\1"}}}, ".properties.a.pattern"),
        ({"pattern": "((a{1000}){1000}){1000}"}, ".pattern"),
        ({"properties": {"a": {"format": "e-mail"}}}, ".properties.a.format"),
        ({"$schema": "https://example.com/mine"}, ".$schema"),
        ({"$ref": "https://example.com/schema"}, ".$ref"),
        ({"$ref": "file:///etc/passwd"}, ".$ref"),
        ({"$ref": "#/$defs/missing"}, ".$ref"),
        ({"$ref": "#"}, ".$ref"),
        ({"properties": {"a": {"$id": "https://example.com", "$ref": "x"}}}, ".properties.a.$id"),
        ({"$dynamicRef": "#x"}, ".$dynamicRef"),
        ({"description": "\0"}, ""),
        ({"description": "x" * 70_000}, ""),
    ],
)
def test_a_bad_schema_is_refused_with_its_place(schema: dict[str, Any], place: str) -> None:
    assert refused(schema) == f"events[1].schema{place}"


@pytest.mark.timeout(HANG_SECONDS)
def test_schemas_that_go_in_circles_or_grow_without_end_are_refused() -> None:
    circle = {
        "$defs": {"a": {"properties": {"x": {"$ref": "#/$defs/b"}}}, "b": {"$ref": "#/$defs/a"}},
        "$ref": "#/$defs/a",
    }
    assert refused(circle).endswith(".$ref")
    steps = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    assert refused({"$defs": {**steps, "d30": {"type": "object"}}, "$ref": "#/$defs/d0"})
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"properties": {"a": deep}}
    assert refused(deep).startswith("events[1].schema.properties.a")


@pytest.mark.timeout(HANG_SECONDS)
def test_a_pattern_that_makes_others_backtrack_is_linear() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    assert violations(schema, {"a": "a" * 30_000 + "!"})


def test_entries_need_names_that_fit_and_only_once() -> None:
    for entries, place in (
        ([PlannedEvent("track", "", "1", {})], "events[0].name"),
        ([PlannedEvent("identify", "x", "1", {})], "events[0].name"),
        ([planned({}), planned({})], "events[1]"),
        ([planned({}, "\0")], "events[0]"),
        ([planned({}, str(index)) for index in range(1001)], "events"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            check_entries(entries)
        assert caught.value.details == {"field": place}


def test_a_difference_is_told_by_type_name_and_version() -> None:
    old = [planned({"a": 1}), planned({}, "2"), planned({}, "1", "Gone")]
    new = [planned({"a": 2}), planned({}, "2"), planned({}, "3")]
    found = difference(old, new)
    assert (found.added, found.changed, found.removed) == (
        [("track", "Paid", "3")],
        [("track", "Paid", "1")],
        [("track", "Gone", "1")],
    )
    assert not difference(old, old)
