"""Groups as profile tells them: of one, of several, and in no such form."""

from typing import Any

import pytest

from rapport_segment.domain.group_rows import groups_told

ONE, TWO = {"id": "a", "plan": "pro"}, {"id": "b"}


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        ({"company": ONE}, {"company": [ONE]}),
        (
            {"company": {"id": ["a", "b"]}, "team": TWO, "*": {"company": [ONE, TWO]}},
            {"company": [ONE, TWO], "team": [TWO]},
        ),
        ({"company": {"id": ["a"]}, "*": {"company": [ONE, "b", None]}}, {"company": [ONE]}),
        # Of several nothing is known but by `*`.
        ({"company": {"id": ["a", "b"]}}, {}),
        ({"company": {"id": ["a"]}, "*": {"company": "a"}}, {}),
        ({"company": {"id": ["a"]}, "*": ["a"]}, {}),
        ({"company": None}, {}),
        ([ONE], {}),
        (None, {}),
    ],
)
def test_what_is_told_of_groups_is_read_by_kind(told: Any, groups: dict[str, Any]) -> None:
    assert groups_told(told) == groups
