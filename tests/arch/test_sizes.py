"""Files and functions stay small enough to be read at one go."""

import statistics
from pathlib import Path

from tests.arch.reading import Facts

MAX_FILE, MAX_TEST_FILE, MAX_FUNCTION = 400, 600, 50
MEDIAN_FILE, MEDIAN_FUNCTION = 120, 10


def is_history(path: Path) -> bool:
    """Migrations: written once, read in order, and as long as the tables they make."""
    return path.parent.name == "versions"


def is_test(path: Path, root: Path) -> bool:
    return "tests" in path.relative_to(root).parts


def test_no_file_is_too_long(root: Path, facts: dict[Path, Facts]) -> None:
    too_long = [
        f"{path.relative_to(root)} has {one.lines} lines, at most {limit}"
        for path, one in facts.items()
        if one.lines > (limit := MAX_TEST_FILE if is_test(path, root) else MAX_FILE)
    ]
    assert not too_long, "\n".join(["Make it a folder of the same name:", *too_long])


def test_no_function_is_too_long(root: Path, facts: dict[Path, Facts]) -> None:
    too_long = [
        f"{path.relative_to(root)} {name} has {length} lines, at most {MAX_FUNCTION}"
        for path, one in facts.items()
        for name, length in one.functions
        if length > MAX_FUNCTION and not is_history(path)
    ]
    assert not too_long, "\n".join(["Split it by what its parts do:", *too_long])


def test_the_usual_file_and_function_are_short(
    root: Path, facts: dict[Path, Facts], report_sizes: list[str]
) -> None:
    code = [path for path in facts if not is_test(path, root) and not is_history(path)]
    sources = [facts[path] for path in code if facts[path].lines > 1]
    files = statistics.median(one.lines for one in sources)
    lengths = [length for one in sources for _, length in one.functions]
    report_sizes += [
        f"sizes: {len(sources)} source files, median {files:g} lines (goal {MEDIAN_FILE})",
        f"{len(lengths)} functions, median {statistics.median(lengths):g} (goal {MEDIAN_FUNCTION})",
    ]
    assert files <= MEDIAN_FILE
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
