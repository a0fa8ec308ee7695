"""Tests wait for what must follow: they do not sleep, and assert no duration.

A machine with other work is slow at any place, so a test that counts on time lies now and then.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CLOCKS = {"time.monotonic", "time.perf_counter", "time.time", "monotonic", "perf_counter"}
SLEEPS = {"asyncio.sleep", "time.sleep", "sleep"}
# Where time is the matter itself: the one place that polls, a network that is slow, programs that
# are the senders of other tests, and what measures.
EXEMPT = (
    "tests/support/waiting.py",
    "tests/support/fault_proxy.py",
    "tests/sdks/python/",
    "tests/bench/",
    "deploy/local/tests/stand_in_service.py",
)
POLLS = {"between_looks", "look_again"}


def name_of(call: ast.AST) -> str:
    return ast.unparse(call.func) if isinstance(call, ast.Call) else ""


def sleeps(tree: ast.AST) -> Iterator[int]:
    """The lines that sleep; `asyncio.sleep(0)` lets others go on, and takes no time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) in SLEEPS:
            argument = ast.unparse(node.args[0]) if node.args else ""
            if argument != "0":
                yield node.lineno


def loose_polls(tree: ast.AST) -> Iterator[int]:
    """The lines that wait for the next look without a loop that looks: a sleep by another name."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.While)]
    inside = {id(node) for loop in loops for node in ast.walk(loop)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) in POLLS and id(node) not in inside:
            yield node.lineno


def durations(tree: ast.AST) -> Iterator[int]:
    """The lines that assert something about a clock, or about what was taken from one."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        timed = {
            ast.unparse(target)
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and reads_clock(node.value)
            for target in node.targets
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and (
                reads_clock(node.test) or names(node.test) & timed
            ):
                yield node.lineno


def reads_clock(tree: ast.AST) -> bool:
    return any(name_of(node) in CLOCKS for node in ast.walk(tree))


def names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


RULES = {
    "sleeps: wait for what must follow (tests/support/waiting.py)": sleeps,
    "waits outside of a loop that looks": loose_polls,
    "asserts a duration: what must be fast is a line of the bench": durations,
}


@pytest.mark.parametrize("rule", RULES)
def test_no_test_counts_on_time(root: Path, python_files: list[Path], rule: str) -> None:
    found = []
    for path in python_files:
        place = path.relative_to(root)
        if "tests" not in place.parts or place.as_posix().startswith(EXEMPT):
            continue
        tree = ast.parse(path.read_text(), filename=str(path))
        found += [f"{place}:{line} {rule}" for line in RULES[rule](tree)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("await asyncio.sleep(0.1)", sleeps),
        ("await asyncio.sleep(PAUSE)", sleeps),
        ("time.sleep(1)", sleeps),
        ("await between_looks()", loose_polls),
        ("assert time.monotonic() - began < 1", durations),
        ("took = time.perf_counter() - began; assert took < 1", durations),
    ],
)
def test_the_rules_see_what_they_should(code: str, rule: object) -> None:
    tree = ast.parse(f"async def test():\n    {code}")
    assert callable(rule)
    assert list(rule(tree)) == [2]


def test_the_rules_let_good_waiting_pass() -> None:
    code = (
        "async def test():\n    await asyncio.sleep(0)\n    while not done: await between_looks()"
    )
    tree = ast.parse(code)
    assert not [line for rule in RULES.values() for line in rule(tree)]
