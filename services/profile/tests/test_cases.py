"""Open cases are counted by the id of each, whatever order its steps come in."""

import itertools

import pytest
from services.profile.tests.people import event
from services.profile.tests.test_values import known

from rapport_common.events.envelope import Event

CASE_STEPS = [("Case Opened", 1), ("Case Closed", 9), ("Case Reopened", 10)]


def case_step(case: str, step: int, name: str, at: int) -> Event:
    """A step of a case, as feedback tells it."""
    said = {"case_id": case, "step": step}
    return event(f"{case}-{step}", at=at, name=name, user_id="U", said=said)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("skew", [1, 0, -1])
def test_a_case_is_as_its_last_step_says_whatever_the_clocks(
    order: tuple[int, ...], skew: int
) -> None:
    """Also of two steps at one instant, of copies, and with another case beside it."""
    steps = [
        event(
            f"c-{step}",
            at=100 + at * skew,
            name=name,
            user_id="U",
            said={"case_id": "c", "step": step},
        )
        for at, (name, step) in enumerate(CASE_STEPS)
    ]
    other = event("d-1", at=5, name="Case Opened", user_id="U", said={"case_id": "d", "step": 1})
    told = [steps[place] for place in order]
    assert known(*told, *told).computed.open_cases == 1
    assert known(*told, other).computed.open_cases == 2
    closed = event(
        "c-11", at=50, name="Case Closed", user_id="U", said={"case_id": "c", "step": 11}
    )
    assert known(closed, *told, other).computed.open_cases == 1


def test_a_step_without_a_number_is_older_than_one_with_it() -> None:
    former = [
        event("c-1", at=1, name="Case Opened", user_id="U", said={"case_id": "c"}),
        event("c-2", at=20, name="Case Closed", user_id="U", said={"case_id": "c"}),
    ]
    later = case_step("c", 3, "Case Reopened", at=10)
    assert known(*former).computed.open_cases == 0
    assert known(later, *former).computed.open_cases == 1
