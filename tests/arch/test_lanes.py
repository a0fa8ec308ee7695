"""All tests that share a stack of real processes are in one lane: it ends with the lane's last."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.lanes import lane_of

STACK_OF = {
    "stack": "stack",
    "workspace": "stack",
    "small_stack": "small_stack",
    "outcomes": "small_stack",
}
"""The fixtures of a conftest.py that stand on a shared stack."""
OF_THEIR_OWN = {("tests/faults", "stack")}
"""Where a folder's conftest.py has another one under the same name."""


def fixtures(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a file that get fixtures: tests, and fixtures themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name.startswith("test_")
            or any("pytest.fixture" in ast.unparse(one) for one in node.decorator_list)
        ):
            yield node


def shared(tree: ast.Module) -> set[str]:
    """The stacks of a conftest.py that a file of tests stands on."""
    own = {one.name for one in fixtures(tree)}
    asked = {argument.arg for one in fixtures(tree) for argument in one.args.args}
    return {STACK_OF[name] for name in asked & STACK_OF.keys() - own} - own


def test_a_stack_has_one_lane(root: Path) -> None:
    lanes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in sorted(root.glob("tests/*/test_*.py")):
        place = path.relative_to(root)
        for stack in shared(ast.parse(path.read_text())):
            folder = place.parent.as_posix()
            where = folder if (folder, stack) in OF_THEIR_OWN else "tests"
            lanes[where, stack].add(lane_of(place.as_posix()))
    assert lanes.keys() == {("tests", "stack"), ("tests", "small_stack"), ("tests/faults", "stack")}
    assert {stack: found for stack, found in lanes.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def test_a(workspace): pass", {"stack"}),
        ("def test_a(stack, small_stack): pass", {"stack", "small_stack"}),
        ("async def test_a(outcomes): pass", {"small_stack"}),
        ("@pytest.fixture\ndef reader(stack): pass", {"stack"}),
        ("@pytest.fixture\ndef stack(run_folder): pass\ndef test_a(workspace): pass", set()),
        ("@pytest.fixture\ndef workspace(front): pass\ndef test_a(workspace): pass", set()),
        ("def helper(stack): pass", set()),
    ],
)
def test_who_shares_a_stack_is_seen(code: str, found: set[str]) -> None:
    assert shared(ast.parse(code)) == found
