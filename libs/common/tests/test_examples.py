"""A short run looks at a share of the examples, and each process of a run knows which it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import LEAST, VARIABLE, examples, share


@given(st.integers(1, 10_000))
def test_a_short_run_has_no_more_than_a_full_one_and_an_exploring_one_no_fewer(full: int) -> None:
    short, all_of_them, explored = (share(full, name) for name in ("short", "full", "explore"))
    assert min(full, LEAST) <= short <= all_of_them == full < explored


@pytest.mark.parametrize(("full", "short"), [(400, 100), (100, 25), (40, 10), (15, 10), (4, 4)])
def test_it_has_a_quarter_but_no_fewer_than_the_smallest(full: int, short: int) -> None:
    assert share(full, "short") == short


def test_the_variable_says_which_run_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "full")
    assert examples(300) == 300
    monkeypatch.setenv(VARIABLE, "explore")
    assert examples(300) == 3000
    monkeypatch.delenv(VARIABLE)
    assert examples(300) == 75


def test_a_test_that_says_nothing_has_its_share_too() -> None:
    assert settings().max_examples == examples(100)
