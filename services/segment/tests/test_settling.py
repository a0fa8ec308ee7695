"""What rests on segments, and what time does, in memory: each change once, at its own instant."""

import dataclasses
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
from services.segment.tests.judging import NOON, People, key_of
from services.segment.tests.test_times import said

from rapport_common.events.activity import ContactPoint, PointState
from rapport_common.testing.profiles import Profiles, sections
from rapport_segment.domain import membership
from rapport_segment.domain.anniversaries import days_by_year
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.membership import PASSED, Change, Person, lapse
from rapport_segment.domain.permissions import places_by_channel, words_by_channel
from rapport_segment.domain.rulebook import Definition, Rulebook, in_order
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import nobody
from rapport_segment.domain.subjects import InSegment
from rapport_segment.domain.windows import EVER, NEVER, Anniversary, Calendar, Duration
from rapport_segment.domain.zones import by_local_date, first_instant, local_date

ADA = uuid.UUID(int=1)
DAY = timedelta(days=1)
MOST = 20
RECENT = {"computed": "last_order_at", "op": "within", "value": {"last": "30d"}}
BIRTHDAY = {"trait": "born", "op": "anniversary", "value": {"next": "1d"}}


def definition(number: int, document: dict[str, Any], **more: Any) -> Definition:
    return Definition.of(uuid.UUID(int=1000 + number), 1, f"{number}", parse(document), **more)


def inside(number: int) -> dict[str, Any]:
    return {"segment": str(uuid.UUID(int=1000 + number))}


def known(rules: list[Definition], **some: Any) -> Person:
    """Ada, who has been judged by these at noon."""
    shop = People(rules, {key_of(ADA): Person("acme", ADA)})
    shop.apply(Profiles().event(str(ADA), **sections(**some)))
    return shop.stays.people[key_of(ADA)]


def told(changes: list[Change]) -> list[tuple[str, str, datetime]]:
    names = {str(uuid.UUID(int=1000 + number)): f"{number}" for number in range(9)}
    return [(one.record.change, names[one.record.segment_id], one.record.at) for one in changes]


def test_who_enters_one_enters_what_rests_on_it_after_it() -> None:
    buyers = {"computed": "orders", "op": "gte", "value": 1}
    rules = [
        definition(0, {"and": [inside(2), inside(1)]}),
        definition(1, buyers),
        definition(2, {"not": {"not": inside(1)}}),
        definition(3, {"not": inside(2)}),
    ]
    shop, ada = People(rules, {key_of(ADA): Person("acme", ADA)}), Profiles()
    assert told(shop.apply(ada.event(str(ADA)))) == [("entered", "3", NOON)]
    changes = shop.apply(ada.event(str(ADA), computed=sections(orders=1)["computed"]))
    assert [one[:2] for one in told(changes)][:2] == [("entered", "1"), ("entered", "2")]
    assert {one[:2] for one in told(changes)[2:]} == {("entered", "0"), ("exited", "3")}
    changes = shop.apply(ada.event(str(ADA), computed=sections(orders=0)["computed"]))
    assert {one[:2] for one in told(changes)} == {
        *(("exited", "1"), ("exited", "2"), ("exited", "0")),
        ("entered", "3"),
    }


def test_a_circle_that_should_not_be_is_no_end_of_the_world() -> None:
    rules = [definition(0, inside(1)), definition(1, inside(0)), definition(2, inside(2))]
    assert {one.name for one in in_order(rules)} == {"0", "1", "2"}
    assert known(rules).entries == {}


def test_time_goes_from_instant_to_instant() -> None:
    rules = [definition(0, RECENT), definition(1, {"not": inside(0)}), definition(2, BIRTHDAY)]
    bought = NOON - 20 * DAY
    person = known(rules, traits={"born": "1990-03-20"}, last_order_at=bought)
    assert person.check == NOON + 10 * DAY
    after, changes = lapse(person, Rulebook(rules), NOON + 10 * DAY, NOON + 300 * DAY)
    birthday = datetime(2026, 3, 20, tzinfo=UTC)
    assert told(changes) == [
        ("exited", "0", bought + 30 * DAY),
        ("entered", "1", bought + 30 * DAY),
        ("entered", "2", birthday),
        ("exited", "2", birthday + DAY),
    ]
    assert after.check == datetime(2027, 3, 20, tzinfo=UTC)
    assert {one.record.by_time for one in changes} == {True}
    assert all(one.record.reason.startswith(PASSED) for one in changes)
    later = People(rules, {key_of(ADA): person}, now=NOON + 300 * DAY)
    assert later.stays.lapsed(key_of(ADA), NOON + 10 * DAY) == changes
    unknown, none = lapse(Person("acme", ADA), Rulebook(rules), NOON, NOON + DAY)
    assert (unknown.check, none) == (None, [])


def test_a_version_counts_from_when_it_was_made() -> None:
    since = NOON + 20 * DAY
    young = definition(0, {"not": RECENT}, since=since)
    ada = known([], last_order_at=NOON)
    ada_at = lapse(ada, Rulebook([young]), NOON + DAY, NOON + 40 * DAY)
    assert told(ada_at[1]) == [("entered", "0", NOON + 30 * DAY)]
    # Out of place since before it: then it is the definition that lets them in, when it is made.
    building = dataclasses.replace(definition(0, RECENT, since=since), building=True)
    _, changes = lapse(ada, Rulebook([building]), NOON + DAY, NOON + 25 * DAY)
    assert [(one.record.cause, one.record.at, one.record.by_time) for one in changes] == [
        ("definition", since, False)
    ]


def test_very_many_changes_are_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MOST_STEPS", MOST)
    hours = [(NOON + number * timedelta(hours=2)).isoformat() for number in range(MOST)]
    rule = definition(0, {"trait": "at", "op": "within", "value": {"last": "1h"}})
    person = known([rule], traits={"at": hours})
    end = NOON + MOST * timedelta(hours=2)
    assert person.check is not None
    part, changes = lapse(person, Rulebook([rule]), person.check, end)
    assert part.check is not None
    assert part.check < end
    _, rest = lapse(part, Rulebook([rule]), part.check, end)
    assert len(changes) + len(rest) == 2 * MOST - 1


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_time_has_ends(zone: str) -> None:
    assert local_date(NEVER, zone).year == 9999
    assert local_date(EVER, zone).year == 1
    assert first_instant(date.min.toordinal(), zone) == EVER
    assert first_instant(date.min.toordinal() + 1, zone).year == 1
    assert first_instant(date.max.toordinal() + 1, zone) == NEVER
    for number in ("9y", "3660d"):
        length = Duration(int(number[:-1]), number[-1])
        assert (length.after(NEVER), length.before(EVER)) == (NEVER, EVER)
    december = datetime(9999, 12, 1, tzinfo=UTC)
    assert Calendar("month", "UTC").span(december + 5 * DAY) == (december, NEVER)
    for side in ("last", "next"):
        kind = Anniversary(side, 7, zone)
        assert len(days_by_year(kind, date.max if side == "next" else date.min)) == 1


def test_in_how_many_zones_it_is_another_day() -> None:
    days = by_local_date(datetime(2026, 3, 1, 11, tzinfo=UTC))
    assert sorted(days) == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    assert "Pacific/Kiritimati" in days[date(2026, 3, 2)]


def test_days_around_the_end_of_february() -> None:
    kind = Anniversary("next", 3, "UTC")
    assert days_by_year(kind, date(2026, 2, 27)) == {2026: {"02-27", "02-28", "02-29", "03-01"}}
    assert days_by_year(kind, date(2028, 2, 27)) == {2028: {"02-27", "02-28", "02-29"}}
    assert days_by_year(Anniversary("last", 2, "UTC"), date(2027, 1, 1)) == {
        2027: {"01-01"},
        2026: {"12-31"},
    }


def test_what_a_workspace_has_compiled_is_counted() -> None:
    judges = Judges()
    twice = [definition(number, RECENT, judges=judges) for number in (0, 1)]
    assert (len(judges), [len(one.leaves) for one in twice]) == (1, [1, 1])


def test_segments_are_no_facts_of_a_person() -> None:
    assert InSegment("x").read(nobody("x")) is None  # type: ignore[func-returns-value] # nothing


def test_what_rests_on_a_rule_by_two_ways_is_found_once() -> None:
    rules = [
        definition(0, RECENT),
        definition(1, inside(0)),
        definition(2, {"and": [inside(0), inside(1)]}),
    ]
    assert Rulebook(rules).moved_by == Rulebook(rules[:1]).moved_by


def test_words_that_nobody_knows_are_a_no_to_all() -> None:
    found = words_by_channel([said("denied", channel="pigeon", purpose="nonsense")])
    assert found == {"*": {"promotion": [{"point": "ada@x.org", "state": "denied"}]}}
    assert words_by_channel([said("granted", channel="pigeon")]) == {}


@pytest.mark.parametrize("about", [{"purpose": "all"}, {"channel": "all"}, {"purpose": "nonsense"}])
@pytest.mark.parametrize(("when", "state"), [("2026-02", "withdrawn"), ("2025-12", "granted")])
def test_a_no_to_everything_is_one_to_whatever_was_said_before(
    about: dict[str, str], when: str, state: str
) -> None:
    no = said("withdrawn", f"{when}-01T00:00:00Z", **{"purpose": "survey", **about})
    words = words_by_channel([said("granted", purpose="survey"), no])
    assert [one["state"] for one in words["email"]["survey"]] == [state]


def test_a_no_to_everything_makes_no_word_of_what_nobody_spoke_of() -> None:
    assert [*words_by_channel([said("denied", purpose="all")])["email"]] == ["promotion"]


def test_where_nothing_arrives_any_more_nobody_is_reached() -> None:
    """A complaint is no dead mailbox: what has to be said arrives there still."""
    told = [
        ContactPoint(channel="email", value=f"{state}@x.org", state=state)
        for state in get_args(PointState)
    ]
    known = places_by_channel(told)["email"]
    assert known["all"] == ["ok@x.org", "bounced@x.org", "complained@x.org"]
    assert known["verified"] == ["ok@x.org", "complained@x.org"]
