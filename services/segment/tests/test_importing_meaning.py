"""What a definition of another platform holds there it holds here: by how its own program judges.

Of what the two tell apart knowingly (a note says so, or the README: `"5.0"` is 5) nothing is drawn.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from services.segment.tests.generating_events import Life, record_of, told_of
from services.segment.tests.judging import NOON, predicate, told
from services.segment.tests.their_events import (
    asked,
    frame,
    happened,
    held,
    metric,
    metrics,
    node,
    said,
    time,
)

from rapport_common.events.envelope import Event
from rapport_common.events.profile import ComputedState, ProfileState
from rapport_common.testing.examples import examples
from rapport_segment.domain.importing.peers import Peer, imported
from rapport_segment.domain.rules import parse
from rapport_segment.domain.sections import Facts

Document = dict[str, Any]
Happening = tuple[timedelta, Document]
"""How long ago, and with which properties."""

NAMES = ("Paid", "Left")
VALUES = (0, 4, 5, 9.5, "5", "ab", "b", True)
DAY = timedelta(days=1)
AGO = (*(one * DAY for one in (1, 6, 8, 29, 31)), 40 * DAY, 70 * DAY)
SEEDS = st.integers(0, 2**63)
_COUNTS: dict[str, Callable[[int, int], bool]] = {
    "=": lambda found, wanted: found == wanted,
    ">=": lambda found, wanted: found >= wanted,
    "<": lambda found, wanted: found < wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    "!=": lambda found, wanted: found != wanted,
}


def lived(pick: random.Random) -> dict[str, list[Happening]]:
    """What happened to somebody, the newest first."""
    found = {}
    for name in NAMES:
        times = sorted(pick.sample(AGO, pick.choice((0, 1, 2, 3))))
        found[name] = [
            (ago, {key: pick.choice(VALUES) for key in ("a", "b.c") if pick.random() < 0.7})
            for ago in times
        ]
    return found


def as_kept(events: dict[str, list[Happening]]) -> Facts:
    """The same, as it is here."""
    life = Life(1, [("user_id", "1")])
    for name, happenings in events.items():
        for number, (ago, properties) in enumerate(happenings):
            one = Event(
                workspace="acme",
                source="shop",
                message_id=f"{name}/{number}",
                type="track",
                timestamp=NOON - ago,
                received_at=NOON - ago,
                name=name,
                identifiers=list(life.identifiers),
                properties=msgspec.Raw(msgspec.json.encode(properties)),
            )
            life.events.append(one)
            life.told.append(record_of(one))
    state = ProfileState(identifiers=[], traits=msgspec.Raw(b"{}"), computed=ComputedState())
    return told_of(life, told(state), NAMES)


def holds(peer: Peer, document: Document, facts: Facts) -> bool:
    found = imported(peer, document, {}, {}, {"S4SFhi": "Paid"})
    return predicate(parse(found.rule))(facts)


def written(value: Any) -> str:
    """A value as a text of JSON's; an empty one if it is missing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def amount(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) or value is None else float(value)
    except ValueError:
        return None


def dittofeed_holds(operator: Document, value: Any) -> bool:
    """As `computePropertiesIncremental.ts` compares a property: as a text, or as a float."""
    match operator["type"]:
        case "Equals":
            return written(value) == written(operator["value"])
        case "NotEquals":
            return written(value) != written(operator["value"])
        case "Exists":
            return written(value) != ""
        case "NotExists":
            return written(value) == ""
        case _:
            return _as_float(operator, value)


def _as_float(operator: Document, value: Any) -> bool:
    number = amount(value)
    if number is None:
        return False
    wanted: float = operator["value"]
    return number >= wanted if operator["type"] == "GreaterThanOrEqual" else number < wanted


def dittofeed_operator(pick: random.Random, *, negated: bool) -> Document:
    kind = pick.choice(("Equals", "Exists", "NotExists", "GreaterThanOrEqual", "LessThan"))
    if negated and pick.random() < 0.3:
        kind = "NotEquals"
    if kind in {"Exists", "NotExists"}:
        return {"type": kind}
    wanted = pick.choice((0, 5, 9.5)) if "Than" in kind else pick.choice((*VALUES, ""))
    return {"type": kind, "value": wanted}


def properties(pick: random.Random, *, negated: bool = False) -> list[Document]:
    paths = {"a": "a", "$.a": "a", "$['b.c']": "b.c", "['a']": "a"}
    return [
        held(path, **dittofeed_operator(pick, negated=negated))
        for path in pick.sample(sorted(paths), pick.choice((0, 1, 1, 2)))
    ]


def dittofeed_fits(conditions: list[Document], event: Document) -> bool:
    return all(
        dittofeed_holds(one["operator"], event.get("b.c" if "b.c" in one["path"] else "a"))
        for one in conditions
    )


@settings(max_examples=examples(300))
@given(seed=SEEDS)
def test_events_of_dittofeed(seed: int) -> None:
    pick = random.Random(seed)
    events, name = lived(pick), pick.choice(NAMES)
    facts = as_kept(events)
    operator, times = pick.choice(("=", ">=", "<")), pick.choice((0, 1, 2))
    times = times or (0 if operator == "=" else 1)
    where, seconds = properties(pick), pick.choice((None, 0, 604_800, 2_592_000))
    counted = {"times": times, "timesOperator": operator}
    if pick.random() < 0.2:
        operator, times, counted = "=", 1, {}
    performed = node("Performed", event=name, withinSeconds=seconds, properties=where, **counted)
    fitting = [
        one
        for ago, one in events[name]
        if dittofeed_fits(where, one) and (not seconds or ago.total_seconds() <= seconds)
    ]
    assert holds("dittofeed", performed, facts) is _COUNTS[operator](len(fitting), times)

    has = properties(pick, negated=True)
    last = node("LastPerformed", event=name, whereProperties=where, hasProperties=has)
    newest = next((one for _ago, one in events[name] if dittofeed_fits(where, one)), None)
    expected = newest is not None and dittofeed_fits(has, newest)
    assert holds("dittofeed", last, facts) is expected, (last, events)


def notifuse_fits(filters: list[Document], event: Document) -> bool:
    """As `query_builder.go` has SQL compare them: what is missing is NULL, and fits nothing."""
    return all(_notifuse_fits(one, event.get(one["field_name"])) for one in filters)


def _notifuse_fits(one: Document, value: Any) -> bool:
    if one["operator"] in {"is_set", "is_not_set"}:
        return (value is not None) is (one["operator"] == "is_set")
    if value is None:
        return False
    if one["operator"] in {"gt", "lte"}:
        number, wanted = amount(value), one["number_values"][0]
        # Another value than a number's is an error there.
        return number is not None and (number > wanted) is (one["operator"] == "gt")
    [wanted] = one["string_values"]
    if one["operator"] == "contains":
        return wanted in written(value)
    return (written(value) == wanted) is (one["operator"] == "equals")


def filters(pick: random.Random) -> list[Document]:
    some = (
        asked("a", "equals", "5"),
        asked("b.c", "equals", "ab"),
        asked("b.c", "not_equals", "ab"),
        asked("a", "is_set"),
        asked("b.c", "is_not_set"),
        {"field_name": "a", "field_type": "number", "operator": "gt", "number_values": [4]},
        {"field_name": "b.c", "field_type": "number", "operator": "lte", "number_values": [5]},
    )
    return pick.sample(some, pick.choice((0, 1, 1, 2)))


@settings(max_examples=examples(300))
@given(seed=SEEDS)
def test_timelines_of_notifuse(seed: int) -> None:
    pick = random.Random(seed)
    events, name = lived(pick), pick.choice(NAMES)
    told_operator, operator = pick.choice((("at_least", ">="), ("at_most", "<="), ("exactly", "=")))
    times, where, days = pick.choice((0, 1, 2)), filters(pick), pick.choice((None, 7, 30))
    window = {} if days is None else time("in_the_last_days", str(days))
    kind = f"{pick.choice(('custom_event.', ''))}{name}"
    document = happened(kind, told_operator, times, filters=where, **window)
    fitting = [
        one
        for ago, one in events[name]
        if notifuse_fits(where, one) and (days is None or ago < days * DAY)
    ]
    found = holds("notifuse", document, as_kept(events))
    assert found is _COUNTS[operator](len(fitting), times), (document, events)


KLAVIYO = {
    "equals": "=",
    "greater-than": ">",
    "greater-than-or-equal": ">=",
    "less-than": "<",
    "less-than-or-equal": "<=",
    "not-equals": "!=",
}


@settings(max_examples=examples(200))
@given(seed=SEEDS)
def test_metrics_of_klaviyo(seed: int) -> None:
    """As its documentation says: there is no program of its own to read."""
    pick = random.Random(seed)
    events = lived(pick)
    operator, times = pick.choice(list(KLAVIYO)), pick.choice((0, 1, 2))
    begin, end = (NOON - timedelta(days=one) for one in (60, 7))
    window, is_in = pick.choice(
        (
            (frame("alltime"), lambda _ago: True),
            (frame("in-the-last", quantity=30, unit="day"), lambda ago: ago < 30 * DAY),
            (frame("in-the-last", quantity=1, unit="week"), lambda ago: ago < 7 * DAY),
            (frame("after", date=begin.isoformat()), lambda ago: ago < 60 * DAY),
            (frame("before", date=end.isoformat()), lambda ago: ago > 7 * DAY),
            (
                frame("between-static", start=begin.isoformat(), end=end.isoformat()),
                lambda ago: 7 * DAY < ago < 60 * DAY,
            ),
        )
    )
    asked_of, fits = pick.choice(
        (
            ([], lambda _one: True),
            ([said("a", type="existence", operator="not-set")], lambda one: "a" not in one),
            (
                [said("b.c", type="numeric", operator="greater-than", value=4)],
                lambda one: (amount(one.get("b.c")) or 0) > 4,
            ),
            (
                [said("a", type="string", operator="not-equals", value="ab")],
                lambda one: "a" in one and one["a"] != "ab",
            ),
        )
    )
    document = metrics(metric(operator, times, metric_filters=asked_of, **window))
    fitting = [one for ago, one in events["Paid"] if is_in(ago) and fits(one)]
    found = holds("klaviyo", document, as_kept(events))
    assert found is _COUNTS[KLAVIYO[operator]](len(fitting), times), (document, events)
