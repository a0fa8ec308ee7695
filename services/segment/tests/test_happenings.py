"""What is kept of an event, and of which copy; how rules on events are read, and refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.segment.tests.judging import NOON

from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.events.envelope import Event
from rapport_segment.domain import events_judging, happenings
from rapport_segment.domain.evaluate import Judges
from rapport_segment.domain.event_needs import beyond, since
from rapport_segment.domain.explaining import explain, reason
from rapport_segment.domain.happenings import (
    MAX_BYTES,
    MOST,
    Arrival,
    Happening,
    Happenings,
    arrival,
    is_told_again,
    with_one,
    without,
)
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.outlook import View
from rapport_segment.domain.reading import read
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import (
    TRAITS,
    Facts,
    Section,
    UnreadSectionError,
    anchor_of,
)
from rapport_segment.domain.windows import EVER, window

HOUR = timedelta(hours=1)
WHEN = st.integers(-5, 5).map(lambda hours: NOON + hours * HOUR)


def told(at: Any = NOON, **changed: Any) -> ProfileActivity:
    """A record of an event."""
    fields: dict[str, Any] = {
        "workspace": "acme",
        "source": "shop",
        "message_id": "1",
        "type": "track",
        "timestamp": at,
        "received_at": NOON,
        "name": "Order Completed",
        "identifiers": [("email", "info@x.org"), ("user_id", "42")],
    }
    more = {key: changed.pop(key) for key in ("hub", "replaced") if key in changed}
    event = Event(**{**fields, **changed})
    return ProfileActivity(workspace="acme", profile_id="p", version=1, event=event, **more)


def arrived(*given: Any, **changed: Any) -> Arrival:
    found = arrival(told(*given, **changed))
    assert found is not None
    return found


def one(at: Any, message_id: str, **properties: Any) -> Happening:
    return Happening(at, "shop", message_id, Section(TRAITS, text=json.dumps(properties)))


def test_an_event_is_kept_by_the_identifier_by_which_it_was_applied() -> None:
    assert arrived().anchor == anchor_of("email", "info@x.org")
    assert arrived(hub=("user_id", "42")).anchor == anchor_of("user_id", "42")
    assert arrived(replaced=2).copy == 2
    assert arrived().message == ("acme", "shop", "1")


def test_what_has_no_name_or_names_nobody_is_not_kept() -> None:
    assert arrival(told(name=None)) is None
    assert arrival(told(name="")) is None
    assert arrival(told(name="x" * 201)) is None
    assert arrival(told(identifiers=[])) is None
    assert arrived(name="x" * 200).name == "x" * 200
    assert arrived(name="e\u0301\0").name == "\u00e9\ufffd"


def test_what_says_that_it_is_yet_to_come_counts_from_its_receipt() -> None:
    assert arrived(NOON + HOUR).one.at == NOON
    assert arrived(NOON - HOUR).one.at == NOON - HOUR


def test_of_long_properties_the_short_ones_are_kept() -> None:
    some = {"z": 1, "long": "x" * 5000, **{f"k{number:03}": "y" * 40 for number in range(200)}}
    kept = arrived(properties=msgspec.Raw(json.dumps(some).encode())).one.told
    assert len(kept.text) <= MAX_BYTES + 200
    assert "k000" in kept.value
    assert "long" not in kept.value
    assert "k199" not in kept.value
    assert Section(TRAITS, text=kept.text).value == kept.value


def test_properties_that_cannot_be_read_say_nothing() -> None:
    deep = b'{"a":' * 3000 + b"1" + b"}" * 3000
    assert arrived(properties=msgspec.Raw(deep)).one.told.value == {}
    assert arrived(properties=msgspec.Raw(b"[1]")).one.told.value == {}


@given(st.lists(st.tuples(WHEN, st.sampled_from("abcdef")), max_size=12))
def test_the_last_copy_of_each_message_is_there_in_the_order_of_time(
    events: list[tuple[Any, str]],
) -> None:
    known: happenings.Named = ()
    for at, message_id in events:
        known = with_one(known, one(at, message_id))
    last = {message_id: at for at, message_id in events}
    expected = sorted((at, "shop", message_id) for message_id, at in last.items())
    assert [each.place for each in known] == expected
    for message_id in "abcdef":
        left = [each.message_id for each in without(known, "shop", message_id)]
        assert left == [name for _at, _source, name in expected if name != message_id]


def test_the_newest_thousand_stay() -> None:
    known: happenings.Named = ()
    for number in range(MOST + 5):
        known = with_one(known, one(NOON + number * HOUR, str(number)))
    assert len(known) == MOST
    assert known[0].message_id == "5"
    assert len(with_one(known, one(NOON, "late"))) == MOST
    assert with_one(known, one(NOON, "late"))[0].message_id == "5"


def test_what_was_not_read_is_not_taken_for_nothing() -> None:
    rule = Judges().of(parse({"performed": "A"}))
    with pytest.raises(UnreadSectionError):
        rule(View(Facts(()), NOON))
    with pytest.raises(UnreadSectionError):
        rule(View(Facts((), happened=Happenings([None])), NOON))
    with pytest.raises(UnreadSectionError):
        rule(View(Facts((), happened=Happenings([{"B": ()}])), NOON))
    assert rule(View(Facts((), happened=Happenings([])), NOON)) == (False, None)


def test_no_event_that_counts_lies_before_where_reading_begins() -> None:
    @given(
        at=st.datetimes().map(lambda one: one.replace(year=2026, tzinfo=NOON.tzinfo)),
        kind=st.sampled_from(
            [{"last": "1mo"}, {"last": "13mo"}, {"last": "30d"}, {"last": "1min"}]
            + [{"this": one, "zone": "Asia/Tokyo"} for one in ("day", "week", "quarter", "year")]
        ),
        back=st.integers(0, 500 * 24),
    )
    def check(at: Any, kind: dict[str, str], back: int) -> None:
        events = parse({"performed": "A", "within": kind}).subject.events  # type: ignore[union-attr]
        moment = at - back * HOUR
        first, behind = events.span(moment)
        if first <= at < behind:
            assert moment >= since([window(kind, "")], at)

    check()


@pytest.mark.parametrize(
    ("kind", "first", "at"),
    [
        # The longest of each: with the hour that October has more in Berlin.
        ({"this": "day", "zone": "Europe/Berlin"}, "2024-10-26T22:00", "2024-10-27T22:59"),
        ({"this": "week", "zone": "Europe/Berlin"}, "2024-10-20T22:00", "2024-10-27T22:59"),
        ({"this": "month", "zone": "Europe/Berlin"}, "2024-09-30T22:00", "2024-10-31T22:59"),
        ({"this": "quarter", "zone": "Europe/Berlin"}, "2024-09-30T22:00", "2024-12-31T22:59"),
        ({"this": "year", "zone": "Europe/Berlin"}, "2023-12-31T23:00", "2024-12-31T22:59"),
        ({"last": "1mo"}, "2024-02-29T22:59:00.000001", "2024-03-29T22:59"),
        ({"last": "1d"}, "2024-02-29T22:59:00.000001", "2024-03-01T22:59"),
        ({"after": "2024-01-02", "before": "2024-01-03"}, "2024-01-02T00:00", "2024-03-01T22:59"),
    ],
)
def test_reading_begins_before_the_first_event_that_counts(
    kind: dict[str, str], first: str, at: str
) -> None:
    events = parse({"performed": "A", "within": kind}).subject.events  # type: ignore[union-attr]
    moment, now = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, at))
    begins, behind = events.span(moment)
    assert begins <= now < behind
    begins, behind = events.span(moment - timedelta(microseconds=1))
    assert not begins <= now < behind
    assert since([events.window], now) <= moment
    assert since([window({"last": "1min"}, ""), events.window], now) <= moment
    assert since([events.window, None], now) == EVER


def test_events_are_looked_at_in_the_windows_of_all_rules() -> None:
    kinds = [{"last": "60d"}, {"last": "1d"}]
    rules = [
        Definition.of(UUID(int=number), 1, "", parse({"performed": "A", "within": kind}))
        for number, kind in enumerate(kinds)
    ]
    wanted = {"A": {window(kind, "") for kind in kinds}}
    assert Rulebook(rules).windows == Rulebook(rules[::-1]).windows == wanted


CART = {
    "sequence": [{"performed": "Cart"}, {"not_performed": "Order", "within": "1h"}],
    "same": "cart",
    "within": {"last": "7d"},
}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('performed("A") within 30d', None),
        ('performed("A") within 31d', "rule"),
        ('performed("A")', None),
        ('count("A") within this month >= 1', "rule"),
        ('count("A") within this week >= 1', None),
        ('performed("A") after "2026-01-30"', "rule"),
        ('performed("A") after "2026-01-31"', None),
        ('performed("A") before "2026-01-01"', None),
        ('plan = "x" and last("A") < now - 60d', "and[1]"),
        ('last("A") > "2025-01-01"', "rule"),
        ('last("A") within last 2mo', "rule"),
        ('last(total of "A") within 60d > 3', "rule"),
        ("answer nps within last 90d", "rule"),
        ('answer nps = "passive"', None),
        ('answer nps > "2025-01-01"', "rule"),
        ('sequence("A" then "B" within 1d) within 40d', "rule"),
        ("last_order_at within last 90d", None),
    ],
)
def test_a_rule_that_looks_back_further_than_events_are_kept_is_named(
    line: str, path: str | None
) -> None:
    found = beyond(parse(read(line)), timedelta(days=30), NOON)
    assert [where for where, _words in found] == ([] if path is None else [path])


def test_a_cart_is_left_when_its_hour_has_passed() -> None:
    cart, other = one(NOON, "1", cart="a"), one(NOON, "2", cart="b")
    order = one(NOON + HOUR / 2, "3", cart="b")
    rule = parse(CART)
    judge = Judges().of(rule)

    def at(moment: Any, *orders: Happening) -> Any:
        named = {"Cart": (cart, other), "Order": orders}
        return judge(View(Facts((), happened=Happenings([named])), moment))

    assert at(NOON, order) == (False, NOON + HOUR)
    assert at(NOON + HOUR, order) == (True, NOON + timedelta(days=7))
    assert at(NOON + timedelta(days=7), order) == (False, None)
    both = (order, one(NOON + HOUR / 2, "4", cart="a"))
    assert at(NOON + HOUR, *both) == (False, None)
    # At the very end of the hour it is too late.
    late = (order, one(NOON + HOUR, "4", cart="a"))
    assert at(NOON + HOUR, *late)[0]
    view = View(
        Facts((), happened=Happenings([{"Cart": (cart, other), "Order": (order,)}])), NOON + HOUR
    )
    [verdict] = explain(rule, view)
    assert [each.message_id for each in verdict.events] == ["1"]
    assert reason(rule, view) == "sequence Cart then no Order"


def test_what_decides_is_named() -> None:
    some = tuple(one(NOON + number * HOUR, str(number), total=number) for number in range(4))
    view = View(Facts((), happened=Happenings([{"A": some}])), NOON + 10 * HOUR)

    def found(document: dict[str, Any]) -> tuple[Any, list[str], Any]:
        [verdict] = explain(parse(document), view)
        return verdict.actual, [each.message_id for each in verdict.events], verdict.until

    within = {"within": {"last": "8h"}}
    until = NOON + 2 * HOUR + 8 * HOUR
    assert until == view.now
    assert found({"performed": "A", **within}) == (None, ["3"], NOON + 11 * HOUR)
    assert found({"count": "A", "op": "gte", "value": 2})[:2] == (4, ["0", "1", "2", "3"])
    total = {"property": "total", "op": "gt", "value": 1}
    assert found({"average": "A", **total})[0] == 1.5
    assert found({"max": "A", **total})[0] == 3
    assert found({"min": "A", **total})[0] == 0
    assert found({"nth": "A", "n": 2, "op": "lt", "value": {"now": "-1d"}})[1] == ["1"]
    assert found({"nth": "A", "n": 5, "op": "lt", "value": {"now": "-1d"}})[:2] == (None, [])
    assert reason(parse({"count": "A", "op": "gte", "value": 2}), view) == "count A 4 >= 2"


def test_a_property_of_one_event_is_compared() -> None:
    some = (one(NOON, "0", total=9), one(NOON + HOUR, "1", total=2), one(NOON + 2 * HOUR, "2"))
    named = {"A": some, "B": ()}

    def at(document: dict[str, Any], hours: int) -> Any:
        view = View(Facts((), happened=Happenings([named])), NOON + hours * HOUR)
        [verdict] = explain(parse({"property": "total", **document}), view)
        named_ones = [each.message_id for each in verdict.events]
        return verdict.result, verdict.actual, named_ones, verdict.until

    low = {"op": "lt", "value": 5}
    assert at({"first": "A", **low}, 9) == (False, 9, ["0"], None)
    assert at({"nth": "A", "n": 2, **low}, 9) == (True, 2, ["1"], None)
    # The last one has none, and no other one stands in for it.
    assert at({"last": "A", **low}, 9) == (False, None, ["2"], None)
    within = {"within": {"last": "4h"}}
    assert at({"first": "A", **low, **within}, 3) == (False, 9, ["0"], NOON + 4 * HOUR)
    assert at({"first": "A", **low, **within}, 4) == (True, 2, ["1"], NOON + 5 * HOUR)
    for op, fits in (("not_exists", True), ("exists", False)):
        assert at({"last": "B", "op": op}, 9) == (fits, None, [], None)
    assert not at({"last": "B", "op": "ne", "value": 5}, 9)[0]


def test_values_of_different_kinds_are_different() -> None:
    """True is not 1; a number is the same however it is written, and a list is none of them."""
    some = [True, True, False, 1, 1.0, 2, "x", "x", "true", [1], None]
    named = {"A": tuple(one(NOON, str(place), k=value) for place, value in enumerate(some))}
    view = View(Facts((), happened=Happenings([named])), NOON)
    rule = {"distinct": "A", "property": "k", "op": "gte", "value": 1}
    [verdict] = explain(parse(rule), view)
    assert verdict.actual == len({"True", "False", "1", "2", "x", "true"})


def test_of_two_beginnings_the_one_that_counts_longer_counts() -> None:
    steps = [{"performed": "Cart"}, {"performed": "Order"}]
    rule = parse({"sequence": steps, "within": {"last": "1d"}})
    carts = (one(NOON, "1"), one(NOON + HOUR, "2"))
    named = {"Cart": carts, "Order": (one(NOON + 2 * HOUR, "3"),)}
    view = View(Facts((), happened=Happenings([named])), NOON + 3 * HOUR)
    [verdict] = explain(rule, view)
    assert (verdict.result, verdict.until) == (True, NOON + 25 * HOUR)
    assert [each.message_id for each in verdict.events] == ["2", "3"]


def test_a_change_is_looked_for_among_so_many_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    some = tuple(one(NOON + number * HOUR, str(number)) for number in range(3))
    rule = parse({"count": "A", "op": "gte", "value": 1, "within": {"last": "1d"}})
    view = View(Facts((), happened=Happenings([{"A": some}])), NOON + 3 * HOUR)
    assert Judges().of(rule)(view) == (True, NOON + 26 * HOUR)
    # After two of the three steps it is enough: then it is looked again.
    monkeypatch.setattr(events_judging, "MOST_STEPS", 5)
    assert Judges().of(rule)(view) == (True, NOON + 25 * HOUR)


def test_only_what_is_republished_without_a_profile_is_an_event_told_again() -> None:
    found = told()
    again = msgspec.structs.replace(found, republished=True)
    versions = SectionVersions(*[1] * len(SECTIONS))
    assert is_told_again(again)
    assert not is_told_again(found)
    assert not is_told_again(msgspec.structs.replace(again, event=None))
    assert not is_told_again(msgspec.structs.replace(again, versions=versions))


SURVEY = "01a22947-d1de-7294-96aa-7a623b834ab5"


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        ({"op": "eq", "value": "detractor"}, range(7)),
        ({"op": "eq", "value": "passive"}, (7, 8)),
        ({"op": "eq", "value": "promoter"}, (9, 10)),
        ({"op": "ne", "value": "promoter"}, range(9)),
        ({"op": "in", "value": ["passive", 10.0, "3"]}, (3, 7, 8, 10)),
        ({"op": "gte", "value": "9"}, (9, 10)),
        ({"op": "exists"}, range(11)),
        ({"op": "not_exists"}, ()),
        ({"op": "gte", "value": "2026-03-01"}, range(11)),
        ({"op": "within", "value": {"last": "30d"}}, range(11)),
        ({"op": "lt", "value": {"now": "-30d"}}, ()),
    ],
)
def test_the_last_answer_counts(answer: dict[str, Any], scores: Any) -> None:
    rule = parse({"answer": "nps", "survey": SURVEY, **answer})
    fits = Judges().of(rule)
    said = {"kind": "nps", "survey_id": SURVEY}
    found = []
    for score in range(11):
        others = [
            one(NOON - HOUR, "0", score=10 - score, **said),
            one(NOON, "1", score=score, **said),
            one(NOON + HOUR, "2", score=5, kind="nps", survey_id="another"),
            one(NOON + HOUR, "3", score=5, kind="csat", survey_id=SURVEY),
        ]
        named = {"Survey Answered": tuple(others)}
        view = View(Facts((), happened=Happenings([named])), NOON + 2 * HOUR)
        if fits(view)[0]:
            found.append(score)
        [verdict] = explain(rule, view)
        assert [each.message_id for each in verdict.events] == ["1"]
    assert found == list(scores)
    never = Facts((), happened=Happenings([{"Survey Answered": ()}]))
    assert fits(View(never, NOON))[0] is (answer["op"] == "not_exists")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"answer": "nps"}, "op"),
        ({"answer": "mood", "op": "exists"}, "answer"),
        ({"answer": "nps", "op": "exists", "value": 1}, "value"),
        ({"answer": "nps", "op": "eq"}, "value"),
        ({"answer": "nps", "op": "eq", "value": "angry"}, "value"),
        ({"answer": "nps", "op": "eq", "value": True}, "value"),
        ({"answer": "nps", "op": "in", "value": [1, 11]}, "value[1]"),
        ({"answer": "nps", "op": "in", "value": []}, "value"),
        ({"answer": "nps", "op": "lt", "value": "detractor"}, "value"),
        ({"answer": "nps", "op": "within", "value": {"last": "0d"}}, "value.last"),
        ({"answer": "nps", "survey": "first", "op": "exists"}, "survey"),
        ({"answer": "nps", "property": "a", "op": "exists"}, "rule"),
        ({"last": "A", "property": "", "op": "exists"}, "property"),
        ({"last": "A", "property": "a"}, "op"),
        ({"last": "A", "property": "a", "op": "eq"}, "value"),
        ({"last": "A", "property": "a", "op": "within", "value": {"last": "1d"}}, "value"),
        ({"last": "A", "op": "lt", "value": "2026-01-01", "within": {"last": "1d"}}, "rule"),
        ({"performed": ""}, "performed"),
        ({"performed": 5}, "performed"),
        ({"performed": "x" * 201}, "performed"),
        ({"performed": "A", "count": "A"}, "rule"),
        ({"performed": "A", "op": "eq"}, "rule"),
        ({"performed": "A", "within": {"last": "0d"}}, "within.last"),
        ({"performed": "A", "within": {"last": "10000d"}}, "within.last"),
        ({"performed": "A", "within": {"next": "7d"}}, "within.next"),
        ({"performed": "A", "within": {"this": "day", "zone": "Mars"}}, "within.zone"),
        ({"performed": "A", "within": {"after": "soon"}}, "within.after"),
        (
            {"performed": "A", "within": {"after": "2026-01-02", "before": "2026-01-02"}},
            "within.before",
        ),
        ({"performed": "A", "within": {"after": "2026-01-02", "last": "1d"}}, "within"),
        ({"performed": "A", "where": {}}, "where"),
        ({"performed": "A", "where": [{"trait": "a", "op": "exists"}]}, "where[0]"),
        ({"performed": "A", "where": [{"property": "", "op": "exists"}]}, "where[0].property"),
        ({"performed": "A", "where": [{"property": "a", "op": "x"}]}, "where[0].op"),
        (
            {
                "performed": "A",
                "where": [{"property": "a", "op": "within", "value": {"last": "1d"}}],
            },
            "where[0].value",
        ),
        (
            {"performed": "A", "where": [{"property": "a", "op": "matches", "value": "("}]},
            "where[0].value",
        ),
        ({"performed": "A", "where": [{"property": "a", "op": "exists"}] * 21}, "where"),
        ({"count": "A", "op": "in", "value": [1]}, "op"),
        ({"count": "A", "op": "gte"}, "value"),
        ({"count": "A", "op": "gte", "value": 1001}, "value"),
        ({"count": "A", "op": "gte", "value": "many"}, "value"),
        ({"count": "A", "property": "a", "op": "gte", "value": 1}, "rule"),
        ({"sum": "A", "op": "gte", "value": 1}, "property"),
        ({"nth": "A", "op": "lt", "value": "2026-01-01"}, "n"),
        ({"nth": "A", "n": True, "op": "lt", "value": "2026-01-01"}, "n"),
        ({"first": "A", "op": "eq", "value": "2026-01-01"}, "op"),
        ({"first": "A", "op": "lt", "value": 5}, "value"),
        ({"sequence": [{"performed": "A"}]}, "sequence"),
        ({"sequence": [{"not_performed": "A", "within": "1h"}, {"performed": "A"}]}, "sequence[0]"),
        ({"sequence": [{"performed": "A"}, {"not_performed": "A"}]}, "sequence[1]"),
        (
            {"sequence": [{"performed": "A"}, {"performed": "A", "within": "1mo"}]},
            "sequence[1].within",
        ),
        ({"sequence": [{"performed": "A"}, 5]}, "sequence[1]"),
        (
            {
                "sequence": [
                    {"performed": "A"},
                    {"not_performed": "A", "within": "1h"},
                    {"performed": "A"},
                ]
            },
            "sequence[1]",
        ),
        ({"sequence": [{"performed": "A"}] * 2, "same": ["a"] * 6}, "same"),
        ({"sequence": [{"performed": "A"}] * 2, "same": [""]}, "same[0]"),
        ({"nothing": 1}, "rule"),
    ],
)
def test_a_mistake_is_named_by_its_place(document: dict[str, Any], path: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(document)
    assert caught.value.details["path"] == path
