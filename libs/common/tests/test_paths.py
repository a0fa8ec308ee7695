"""Paths into JSON objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.paths import element_at, inner_element, names_of, path_of, value_at

NAMES = st.text(st.sampled_from("ab.\\ é[]"), max_size=4)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("city", ("city",)),
        ("address.city", ("address", "city")),
        (r"site\.name", ("site.name",)),
        (r"a\\.b", ("a\\", "b")),
        ("a..b.", ("a", "", "b", "")),
        ("", ("",)),
        ("a\\", ("a\\",)),
        (r"a\b", (r"a\b",)),
    ],
)
def test_a_path_has_names(path: str, names: tuple[str, ...]) -> None:
    assert names_of(path) == names


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_any_names_have_a_path(names: list[str]) -> None:
    assert names_of(path_of(*names)) == tuple(names)


@given(st.text())
def test_any_text_is_a_path(path: str) -> None:
    assert value_at({}, path) is None
    assert value_at({path: 1}, path) == 1


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"a": {"b": 1}}, 1),
        ({"a.b": 2, "a": {"b": 1}}, 2),
        ({"a.b": None, "a": {"b": 1}}, None),
        ({"a": {"b": {"c": 1}}}, {"c": 1}),
        ({"a": [{"b": 1}]}, None),
        ({"a": "b"}, None),
        ({"a": {}}, None),
        ({}, None),
    ],
)
def test_a_whole_name_comes_first(members: dict[str, Any], found: Any) -> None:
    assert value_at(members, "a.b") == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("items.0.sku", "A"),
        ("items.1.sku", None),
        ("items.-1.sku", None),
        ("items.sku", None),
        ("items.\u0661.sku", None),
        (f"items.{'9' * 5_000}.sku", None),
        ("by.0", "zero"),
        ("a.0", 7),
    ],
)
def test_elements_are_entered_by_their_places(path: str, found: Any) -> None:
    members = {"items": [{"sku": "A"}], "by": {"0": "zero"}, "a.0": 7, "a": [1]}
    assert element_at(members, path) == found
    assert inner_element(members, names_of(path)) == (1 if path == "a.0" else found)
