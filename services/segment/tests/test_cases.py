"""Cases of people as they are now: by the id of each, whatever order their steps come in."""

import itertools
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace
from services.segment.tests.judging import NOON, People, key_of

from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.event_subjects import CASE_EVENTS
from rapport_segment.domain.explaining import explain, reason
from rapport_segment.domain.happenings import Happening, Happenings, Kept
from rapport_segment.domain.membership import Person
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.outlook import Outlook, View
from rapport_segment.domain.rulebook import Definition
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import TRAITS, Facts, Section, anchor_of

ADA = UUID(int=1)
HOUR = timedelta(hours=1)
OPEN = {"case": "open"}
Told = tuple[str, Happening]


def step(name: str, case_id: Any, number: int | None, at: datetime, **said: Any) -> Told:
    """A step of a case, as it is kept."""
    told = {"case_id": case_id, "state": name.removeprefix("Case ").lower(), **said}
    told |= {} if number is None else {"step": number}
    section = Section(TRAITS, text=json.dumps(told))
    return name, Happening(at, "feedback", f"case-{case_id}-{number}", section)


def outlook(rule: dict[str, Any], *told: Told, now: datetime = NOON) -> Outlook:
    return Judges().of(parse(rule))(view(*told, now=now))


def view(*told: Told, now: datetime = NOON) -> View:
    named = {
        name: tuple(
            sorted((one for other, one in told if other == name), key=lambda one: one.place)
        )
        for name in CASE_EVENTS
    }
    return View(Facts(()).beside(Happenings([named])), now)


def holds(rule: dict[str, Any], *told: Told) -> bool:
    return outlook(rule, *told)[0]


OPENED = step("Case Opened", "c", 1, NOON - 9 * HOUR)
CLOSED = step("Case Closed", "c", 9, NOON - 5 * HOUR)
# By a clock that is slow.
REOPENED = step("Case Reopened", "c", 10, NOON - 6 * HOUR)
OTHER = step("Case Opened", "d", 1, NOON - 20 * HOUR, subject="Torn")
OTHER_CLOSED = step("Case Closed", "d", 2, NOON - 19 * HOUR)


@pytest.mark.parametrize(
    ("told", "is_open"),
    [
        ([], False),
        ([OPENED], True),
        ([OPENED, CLOSED], False),
        ([OPENED, CLOSED, REOPENED], True),
        ([OPENED, CLOSED, OTHER], True),
        ([OPENED, CLOSED, OTHER, OTHER_CLOSED], False),
        ([OPENED, OTHER, OTHER_CLOSED], True),
        # The opening was lost, or is yet to come.
        ([CLOSED], False),
        ([REOPENED], True),
        ([step("Case State Changed", "c", 3, NOON)], True),
        ([step("Case Opened", 5, 1, NOON)], False),
        # Steps of before they had numbers go by time, and before those with one.
        ([step("Case Opened", "c", None, NOON - HOUR), REOPENED, CLOSED], True),
        ([step("Case Closed", "c", None, NOON - HOUR), OPENED], True),
        ([step("Case Closed", "c", None, NOON - 2 * HOUR), OPENED, CLOSED], False),
    ],
)
def test_somebody_has_an_open_case_by_the_last_step_of_each(
    told: Sequence[Told], *, is_open: bool
) -> None:
    assert holds(OPEN, *told) is is_open
    assert holds({"case": "closed"}, *told) is any(
        not is_open for is_open in _by_case(told).values()
    )
    assert holds({"case": "any"}, *told) is bool(_by_case(told))


def _by_case(told: Sequence[Told]) -> dict[Any, bool]:
    """Whether each case is open, worked out in another way."""
    found: dict[Any, tuple[Any, bool]] = {}
    for name, one in told:
        said = one.told.value
        if isinstance(said["case_id"], str):
            key = (said.get("step", 0), one.at)
            found[said["case_id"]] = max(
                found.get(said["case_id"], ((-1, one.at), False)), (key, name != "Case Closed")
            )
    return {case: is_open for case, (_key, is_open) in found.items()}


def test_one_and_the_same_case_has_all_by_its_last_step() -> None:
    torn = {"property": "subject", "op": "eq", "value": "Torn"}
    assert holds({**OPEN, "where": [torn]}, OPENED, CLOSED, OTHER)
    assert not holds({**OPEN, "where": [torn]}, OPENED, OTHER, OTHER_CLOSED)
    reopened = {"property": "state", "op": "eq", "value": "reopened"}
    assert holds({**OPEN, "where": [reopened]}, OPENED, CLOSED, REOPENED)
    assert not holds(
        {**OPEN, "where": [reopened]},
        OPENED,
        CLOSED,
        REOPENED,
        step("Case State Changed", "c", 11, NOON),
    )


def test_a_case_may_be_asked_since_when_it_is_so_and_whether_it_is_late() -> None:
    long = {**OPEN, "where": [{"property": "since", "op": "lte", "value": {"now": "-2d"}}]}
    opened_at = OPENED[1].at
    assert outlook(long, OPENED) == (False, opened_at + timedelta(days=2))
    assert outlook(long, OPENED, now=opened_at + timedelta(days=2)) == (True, None)
    late = {**OPEN, "where": [{"property": "due_at", "op": "lt", "value": {"now": "0"}}]}
    due = step("Case Opened", "e", 1, NOON, due_at="2026-03-01T13:00:00.000000Z")
    verdict, until = outlook(late, due)
    assert (verdict, until) == (False, NOON + HOUR + timedelta(microseconds=1))
    assert outlook(late, due, now=until or NOON)[0]


def test_a_step_by_a_clock_that_is_fast_counts_from_its_instant() -> None:
    ahead = step("Case Closed", "c", 2, NOON + HOUR)
    assert outlook(OPEN, OPENED, ahead) == (True, NOON + HOUR)
    assert outlook(OPEN, OPENED, ahead, now=NOON + HOUR) == (False, None)


def test_an_explanation_names_the_last_steps_of_these_cases() -> None:
    [found] = explain(parse(OPEN), view(OPENED, CLOSED, OTHER, REOPENED))
    assert [one.message_id for one in found.events] == ["case-d-1", "case-c-10"]
    assert (found.result, found.label) == (True, "case open")
    torn = {**OPEN, "where": [{"property": "subject", "op": "exists"}]}
    assert reason(parse(torn), view(OPENED)) == "not case open with subject"


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"case": "late"}, "case"),
        ({"case": ["open"]}, "case"),
        ({"case": "open", "within": {"last": "1d"}}, ""),
        ({"case": "open", "performed": "x"}, ""),
        (
            {"case": "open", "where": [{"property": "since", "op": "matches", "value": "2"}]},
            "where[0].op",
        ),
        (
            {
                "case": "open",
                "where": [{"property": "a", "op": "anniversary", "value": {"next": "7d"}}],
            },
            "where[0].op",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(rule: Any, path: str) -> None:
    with pytest.raises(RuleError) as refused:
        parse(rule)
    assert refused.value.details["path"] == (path or "rule")


NAMES = ["Case Opened", "Case Closed", "Case Reopened"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_who_has_an_open_case_is_in_whatever_order_the_steps_come_in(order: Sequence[int]) -> None:
    """Two cases, of which one was reopened and the other is closed; each step comes twice."""
    rule = Definition.of(UUID(int=9), 1, "open", parse(OPEN))
    kept: Kept = {("acme", anchor_of("user_id", "u")): dict.fromkeys(CASE_EVENTS, ())}
    people = People((rule,), {key_of(ADA): Person("acme", ADA)}, kept=kept)
    profiles = Profiles()
    people.apply(profiles.event(str(ADA), NOON, **sections([("user_id", "u")])))
    steps = [("c", 1, NAMES[0]), ("c", 2, NAMES[1]), ("c", 3, NAMES[2]), ("d", 2, NAMES[1])]
    for place in order:
        for _ in range(2):
            people.apply(told(profiles, *steps[place]))
    assert set(people.stays.people[key_of(ADA)].entries) == {UUID(int=9)}
    [left] = people.apply(told(profiles, "c", 4, NAMES[1]))
    assert left.record.change == "exited"


def told(profiles: Profiles, case: str, number: int, name: str) -> Any:
    """A record of a step. All have one instant."""
    record = profiles.event(str(ADA), NOON, computed=sections(events=number)["computed"])
    assert record.event is not None
    event = replace(
        record.event,
        source="feedback",
        message_id=f"case-{case}-{number}",
        name=name,
        timestamp=NOON,
        received_at=NOON,
        identifiers=[("user_id", "u")],
        properties=msgspec.Raw(json.dumps({"case_id": case, "step": number}).encode()),
    )
    return replace(record, event=event)
