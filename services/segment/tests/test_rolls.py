"""Lists in memory: who is on one and by what, in words, and how each subject is called."""

from uuid import UUID

import pytest
from services.segment.tests.judging import NOON

from rapport_segment.domain.explaining import explain, reason
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rolls import Roll
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import IDENTIFIERS, Facts, Section
from rapport_segment.domain.subjects import InList, Score

VIP, STAFF = str(UUID(int=1)), str(UUID(int=2))
FACTS = Facts([Section(IDENTIFIERS, text='{"user_id":["7"],"email":["a@x.org","b@x.org"]}')])
ROLL = Roll(
    {VIP: "Our VIPs"},
    {
        ("email", "b@x.org"): frozenset({VIP}),
        ("user_id", "7"): frozenset({VIP, STAFF}),
        ("user_id", "b@x.org"): frozenset({STAFF}),
    },
)


def test_the_identifiers_that_are_on_a_list_are_found() -> None:
    assert ROLL.found(VIP, FACTS.identifiers) == [("user_id", "7"), ("email", "b@x.org")]
    assert ROLL.found(STAFF, FACTS.identifiers) == [("user_id", "7")]
    assert ROLL.found(str(UUID(int=3)), FACTS.identifiers) == []
    assert Roll().found(VIP, FACTS.identifiers) == []


def test_a_list_that_is_not_known_is_called_by_its_id() -> None:
    assert (ROLL.name_of(VIP), ROLL.name_of(STAFF)) == ("Our VIPs", STAFF)


def test_who_is_on_a_list_is_told_by_which_identifiers() -> None:
    view = View(FACTS.listed(ROLL), NOON)
    [verdict] = explain(parse({"list": VIP}), view)
    by = [{"kind": "user_id", "value": "7"}, {"kind": "email", "value": "b@x.org"}]
    assert (verdict.result, verdict.actual, verdict.until) == (True, by, None)


@pytest.mark.parametrize(
    ("roll", "list_id", "words"),
    [
        (ROLL, VIP, 'on list "Our VIPs" by email, user_id'),
        (ROLL, STAFF, f'on list "{STAFF}" by user_id'),
        (Roll({VIP: "Our VIPs"}), VIP, 'not on list "Our VIPs"'),
    ],
)
def test_the_kinds_and_no_address_are_in_the_reason(roll: Roll, list_id: str, words: str) -> None:
    assert reason(parse({"list": list_id}), View(FACTS.listed(roll), NOON)) == words


def test_a_list_and_a_score_have_their_names_in_what_they_are_called() -> None:
    assert (InList(VIP).label, Score("rfm_tier").label) == (f"list {VIP}", "score rfm_tier")
