"""Each folder with tests has a budget of seconds, which `make test` shows beside what they took."""

from pathlib import Path

from tests.support.seconds import budget, folder_of, table

WANTED_SECONDS = 10 * 60
SIDE_BY_SIDE = 3


class Report:
    """What pytest tells of a part of a test."""

    when = "call"

    def __init__(self, nodeid: str, duration: float) -> None:
        self.nodeid = nodeid
        self.duration = duration


def test_each_folder_has_one_and_no_other(root: Path, python_files: list[Path]) -> None:
    places = [one.relative_to(root) for one in python_files]
    tests = [one for one in places if "tests" in one.parts and one.name.startswith("test_")]
    assert {folder_of(one.as_posix()) for one in tests} == set(budget())


def test_together_they_are_what_make_test_may_take() -> None:
    assert sum(budget().values()) / SIDE_BY_SIDE <= WANTED_SECONDS


def test_what_took_longer_is_marked() -> None:
    most = budget()["libs/cli"]
    fine, slow = Report("libs/cli/tests/a.py::x", most), Report("libs/common/b.py::y", 10_000)
    lines = list(table([[fine], [slow, "something else"]]))
    assert [line.endswith("over") for line in lines] == [True, False, False]
    assert lines[1].split() == ["libs/cli", str(most), "of", str(most)]
