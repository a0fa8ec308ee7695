"""Tests wait for what must follow: they do not sleep, and assert no duration.

A machine with other work is slow at any place, so a test that counts on time lies now and then.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

import pytest
from tests.arch.reading import name_of
from tests.support.waiting import (
    HANG_SECONDS,
    LONGEST_POLL_SECONDS,
    POLL_SECONDS,
    REST,
    pauses,
    rest,
)

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
LIMITED = {"until", "look_until", "eventually", "wait_component", "wait_for"}
"""What gives up after `seconds`."""
CLIENTS = {"Client", "AsyncClient", "get", "post", "put", "patch", "delete", "request", "stream"}
"""What of httpx gives up after five seconds, unless it is told a `timeout`."""
HTTPX_SECONDS = 5.0
SHORT_ON_PURPOSE = {"publish", "send"}
"""What gives up after a `timeout` that is itself what is tested: a producer's."""
POLLS = {"between_looks"}


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
            if isinstance(node, ast.Assign) and takes_time(node.value)
            for target in node.targets
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and any(
                takes_time(side) or ast.unparse(side) in timed for side in sides(node.test)
            ):
                yield node.lineno


def sides(test: ast.AST) -> Iterator[ast.AST]:
    """What an assertion compares."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare):
            yield from (node.left, *node.comparators)


def takes_time(value: ast.AST) -> bool:
    """Whether it is a clock's reading, or is counted from one; a deadline handed on is neither."""
    if isinstance(value, ast.BinOp):
        return takes_time(value.left) or takes_time(value.right)
    return name_of(value) in CLOCKS


def impatience(tree: ast.AST) -> Iterator[int]:
    """The lines that give less than the hang limit: a duration asserted in other words."""
    named = constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for limit in limits(node):
                value = named.get(limit.id) if isinstance(limit, ast.Name) else number(limit)
                if value is not None and value < HANG_SECONDS:
                    yield node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (
                node.lineno
                for name, default in defaults(node)
                if name in {"seconds", "timeout", "wait", "settle"}
                and (number(default) or HANG_SECONDS) < HANG_SECONDS
                and node.name not in SHORT_ON_PURPOSE
            )


def limits(call: ast.Call) -> Iterator[ast.expr]:
    """What a call may take at most, in seconds."""
    name = name_of(call)
    last = name.rpartition(".")[2]
    told = {one.arg: one.value for one in call.keywords}
    if name == "asyncio.timeout" or last == "wait_procs":
        yield from call.args[:1] if name == "asyncio.timeout" else call.args[1:2]
    elif name == "asyncio.wait_for":
        yield from call.args[1:2]
    elif name == "pytest.mark.timeout" or name.endswith("process.wait"):
        yield from call.args[:1]
    if "timeout" in told and last not in SHORT_ON_PURPOSE:
        yield told["timeout"]
    if "seconds" in told and last in LIMITED:
        yield told["seconds"]
    if (
        name == f"httpx.{last}"
        and last in CLIENTS
        and not told.keys() & {"timeout", "transport", "app", None}
    ):
        yield ast.Constant(HTTPX_SECONDS)


def constants(tree: ast.AST) -> dict[str, float]:
    """The numbers that have a name in this file."""
    return {
        target.id: value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (value := number(node.value)) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def number(value: ast.AST) -> float | None:
    """The number that is written here."""
    written = value.value if isinstance(value, ast.Constant) else None
    return written if isinstance(written, int | float) and not isinstance(written, bool) else None


def defaults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """The parameters that have a default, with it."""
    of = function.args
    places = [*of.posonlyargs, *of.args]
    places = places[len(places) - len(of.defaults) :]
    yield from ((one.arg, value) for one, value in zip(places, of.defaults, strict=True))
    yield from (
        (one.arg, value)
        for one, value in zip(of.kwonlyargs, of.kw_defaults, strict=True)
        if value is not None
    )


def hurries(tree: ast.AST) -> Iterator[int]:
    """The lines where a property test takes back the patience that all of them have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) == "settings":
            told = {one.arg: ast.unparse(one.value) for one in node.keywords}
            checks = told.get("suppress_health_check", "list(HealthCheck)")
            if told.get("deadline", "None") != "None" or checks != "list(HealthCheck)":
                yield node.lineno


def unscaled(tree: ast.AST) -> Iterator[int]:
    """The lines where a property test has as many examples in a short run as in a long one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) == "settings":
            told = {one.arg: one.value for one in node.keywords}
            if isinstance(told.get("max_examples"), ast.Constant):
                yield node.lineno


@dataclass(frozen=True)
class Rule:
    lines: Callable[[ast.AST], Iterator[int]]
    """Those that break it."""
    words: set[str]
    """A file without one of them keeps it: most need not be parsed, which takes seconds."""
    says: str


RULES = (
    Rule(sleeps, {"sleep"}, "sleeps: wait for what must follow (tests/support/waiting.py)"),
    Rule(loose_polls, POLLS, "waits outside of a loop that looks"),
    Rule(durations, CLOCKS, "asserts a duration: what must be fast is a line of the bench"),
    Rule(
        impatience,
        {"timeout", "seconds", "wait", "settle", "httpx"},
        "gives less than the hang limit (tests/support/waiting.py)",
    ),
    Rule(
        hurries,
        {"settings"},
        "is judged by the machine's speed: rapport_common.testing.plugin is for all",
    ),
    Rule(
        unscaled,
        {"max_examples"},
        "looks at all examples in a short run: rapport_common.testing.examples",
    ),
)


def broken(source: str, place: str) -> Iterator[str]:
    """Where a file breaks a rule, and which."""
    asked = [rule for rule in RULES if any(word in source for word in rule.words)]
    if asked:
        tree = ast.parse(source, filename=place)
        for rule in asked:
            yield from (f"{place}:{line} {rule.says}" for line in rule.lines(tree))


def test_no_test_counts_on_time(root: Path, python_files: list[Path]) -> None:
    found: list[str] = []
    for path in python_files:
        place = path.relative_to(root)
        if "tests" in place.parts and not place.as_posix().startswith(EXEMPT):
            found += broken(path.read_text(), place.as_posix())
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
        ("async with asyncio.timeout(1): await x", impatience),
        ("await asyncio.wait_for(x, 1.5)", impatience),
        ("await asyncio.wait_for(x, 60)", impatience),
        ("ENOUGH = 40.0; await eventually('x', y, seconds=ENOUGH)", impatience),
        ("stack.wait_component('kafka', not_pid=1, seconds=120)", impatience),
        ("subprocess.run(command, timeout=280)", impatience),
        ("process.wait(20)", impatience),
        ("psutil.wait_procs(processes, 10)", impatience),
        ("httpx.get(url, headers=headers)", impatience),
        ("async with httpx.AsyncClient(base_url=url) as client: await x", impatience),
        ("def until(check, seconds=60): pass", impatience),
        ("settings(deadline=200)", hurries),
        ("settings(suppress_health_check=[HealthCheck.function_scoped_fixture])", hurries),
        ("settings(max_examples=300)", unscaled),
        ("assert (a, took := 1) and monotonic() < deadline", durations),
    ],
)
def test_the_rules_see_what_they_should(
    code: str, rule: Callable[[ast.AST], Iterator[int]]
) -> None:
    (says,) = [one.says for one in RULES if one.lines is rule]
    assert list(broken(f"async def test():\n    {code}", "t.py")) == [f"t.py:2 {says}"]


def test_the_rules_let_good_waiting_pass() -> None:
    code = (
        "async def test():\n    await asyncio.sleep(0)\n    while not done: await between_looks()\n"
        "    async with asyncio.timeout(HANG_SECONDS): await producer.publish(one, timeout=0.1)\n"
        "    httpx.AsyncClient(transport=ours); httpx.get(url, timeout=HANG_SECONDS)\n"
        "    settings(max_examples=examples(300))\n"
        "    assert await answer(until=time.monotonic() + 1) == 'late'"
    )
    assert not list(broken(code, "t.py"))


def test_looks_are_ever_rarer_and_nobody_waits_much_longer_than_needed() -> None:
    first = list(islice(pauses(), 100))
    assert first == sorted(first)
    assert (first[0], first[-1]) == (POLL_SECONDS, LONGEST_POLL_SECONDS)
    for before, pause in zip(accumulate(first), first[1:], strict=False):
        assert pause < 1.001 * (POLL_SECONDS + before / 4)


def test_who_looks_leaves_most_of_the_time_to_those_who_are_looked_at() -> None:
    assert rest(POLL_SECONDS, 0.0) == POLL_SECONDS
    assert rest(LONGEST_POLL_SECONDS, 1.0) == REST >= 2.0
