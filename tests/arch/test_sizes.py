"""Files and functions stay small enough to be read at one go."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

MAX_FILE, MAX_TEST_FILE, MAX_FUNCTION = 400, 600, 50
MEDIAN_FILE, MEDIAN_FUNCTION = 120, 10


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and its length in lines, decorators left out."""
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def is_history(path: Path) -> bool:
    """Migrations: written once, read in order, and as long as the tables they make."""
    return path.parent.name == "versions"


def is_test(path: Path, root: Path) -> bool:
    return "tests" in path.relative_to(root).parts


def test_no_file_is_too_long(root: Path, python_files: list[Path]) -> None:
    too_long = [
        f"{path.relative_to(root)} has {lines_of(path)} lines, at most {limit}"
        for path in python_files
        if lines_of(path) > (limit := MAX_TEST_FILE if is_test(path, root) else MAX_FILE)
    ]
    assert not too_long, "\n".join(["Make it a folder of the same name:", *too_long])


def test_no_function_is_too_long(root: Path, python_files: list[Path]) -> None:
    too_long = [
        f"{path.relative_to(root)} {name} has {length} lines, at most {MAX_FUNCTION}"
        for path in python_files
        for name, length in functions(path)
        if length > MAX_FUNCTION and not is_history(path)
    ]
    assert not too_long, "\n".join(["Split it by what its parts do:", *too_long])


def test_the_usual_file_and_function_are_short(
    root: Path, python_files: list[Path], report_sizes: list[str]
) -> None:
    code = [path for path in python_files if not is_test(path, root) and not is_history(path)]
    sources = [path for path in code if lines_of(path) > 1]
    files = statistics.median(map(lines_of, sources))
    lengths = [length for path in sources for _, length in functions(path)]
    report_sizes += [
        f"sizes: {len(sources)} source files, median {files:g} lines (goal {MEDIAN_FILE})",
        f"{len(lengths)} functions, median {statistics.median(lengths):g} (goal {MEDIAN_FUNCTION})",
    ]
    assert files <= MEDIAN_FILE
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
