"""Standing orders, without a server: whom they are about, when, and how large a part of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.events.envelope import Event
from rapport_common.events.membership import Membership
from rapport_common.testing.examples import examples
from rapport_feedback.domain import askings
from rapport_feedback.domain.askings import Asking, AskingDocument, Filter, Reason, State

NOON = datetime(2026, 1, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BEFORE = NOON - 10 * DAY


def asking(**document: Any) -> Asking:
    told = document or {"event": "Order Delivered"}
    return Asking(
        "ws", UUID(int=1), UUID(int=2), "it", AskingDocument(**told), BEFORE, BEFORE, "ann"
    )


def event(properties: dict[str, Any] | None = None, **more: Any) -> Event:
    fields: dict[str, Any] = {
        "workspace": "ws",
        "source": "shop",
        "message_id": "m1",
        "type": "track",
        "name": "Order Delivered",
        "timestamp": NOON,
        "received_at": NOON,
        "identifiers": [("user_id", "u1")],
        "properties": msgspec.Raw(msgspec.json.encode(properties or {})),
    }
    return Event(**{**fields, **more})


def entry(**more: Any) -> Membership:
    fields: dict[str, Any] = {
        "workspace": "ws",
        "profile_id": "p1",
        "profile_version": 1,
        "segment_id": "s1",
        "segment_version": 1,
        "entry_id": "e1",
        "change": "entered",
        "at": NOON,
        "cause": "event",
        "reason": "because",
    }
    return Membership(**{**fields, **more})


def reason_of(found: askings.Occasion | None) -> str | None:
    assert found is not None
    return found.reason


def test_an_event_is_asked_about_after_the_delay() -> None:
    found = askings.plan_event(
        asking(event="Order Delivered", delay_minutes=3 * 24 * 60), "p1", event(), NOON
    )
    assert found is not None
    assert (found.state, found.occasion) == (State.PLANNED, "shop/m1")
    assert found.due_at == found.next_at == NOON + 3 * DAY


def test_a_clock_that_is_ahead_makes_nobody_wait_longer() -> None:
    ahead = event(timestamp=NOON + 20 * DAY, received_at=NOON + DAY)
    found = askings.plan_event(asking(), "p1", ahead, NOON)
    assert found is not None
    assert found.due_at == NOON


def test_other_events_and_properties_ask_nobody() -> None:
    wanted = asking(event="Order Delivered", where=[Filter(property="n", op="gte", value=3)])
    assert askings.plan_event(wanted, "p1", event({"n": 2}), NOON) is None
    assert askings.plan_event(wanted, "p1", event({"n": 3}, name="Other"), NOON) is None
    assert askings.plan_event(wanted, "p1", event({"n": 3}), NOON) is not None


def test_what_is_old_asks_nobody_unless_it_may() -> None:
    late = event(timestamp=NOON - 2 * DAY)
    imported = event(historic=True)
    for one in (late, imported):
        assert reason_of(askings.plan_event(asking(), "p1", one, NOON)) == Reason.OLD
        allowed = asking(event="Order Delivered", allow_old_events=True)
        assert reason_of(askings.plan_event(allowed, "p1", one, NOON)) is None
    before = event(timestamp=BEFORE - 2 * DAY)
    assert askings.plan_event(asking(), "p1", before, NOON) is None, "from before the order"


def test_an_answer_counts_by_what_the_event_says() -> None:
    told = {"product": " Cafe\u0301 ", "store": 3, "channel": "x" * 200, "price": "9"}
    found = askings.plan_event(asking(), "p1", event(told), NOON)
    assert found is not None
    assert found.context == {"product": "Caf\u00e9", "store": "3"}
    told = {"product": True, "store": " ", "channel": "web"}
    found = askings.plan_event(asking(), "p1", event(told), NOON)
    assert found is not None
    assert found.context == {"channel": "web"}


@pytest.mark.parametrize(
    ("one", "value", "holds"),
    [
        (Filter(property="p", op="eq", value="a"), "a", True),
        (Filter(property="p", op="eq", value=1), True, False),
        (Filter(property="p", op="ne", value="a"), None, True),
        (Filter(property="p", op="ne", value="a"), "a", False),
        (Filter(property="p", op="in", value=["a", "b"]), "b", True),
        (Filter(property="p", op="in", value=["a", "b"]), ["a"], False),
        (Filter(property="p", op="in", value="a"), "a", False),
        (Filter(property="p", op="lte", value=6), 6, True),
        (Filter(property="p", op="lte", value=6), 7, False),
        (Filter(property="p", op="gte", value=9), 9.5, True),
        (Filter(property="p", op="gte", value=9), "10", False),
        (Filter(property="p", op="gte", value=0), True, False),
    ],
)
def test_a_filter_compares_what_is_of_one_kind(one: Filter, value: object, holds: bool) -> None:  # noqa: FBT001
    assert askings.matches([one], {"p": value}) is holds


def test_who_enters_is_asked_once_for_this_entry() -> None:
    found = askings.plan_entry(asking(segment_id="s1"), entry(), NOON)
    assert found is not None
    assert (found.state, found.occasion, found.entry_id) == (State.PLANNED, "e1", "e1")


def test_who_was_in_before_is_asked_only_where_they_are_included() -> None:
    order, including = asking(segment_id="s1"), asking(segment_id="s1", include_existing=True)
    counted_anew = entry(cause="definition")
    long_in = entry(at=BEFORE - DAY)
    told_again = entry(restored=True)
    for one in (counted_anew, long_in, told_again):
        assert askings.plan_entry(order, one, NOON) is None
    for one in (counted_anew, long_in):
        found = askings.plan_entry(including, one, NOON)
        assert found is not None
        assert (found.state, found.due_at) == (State.PLANNED, NOON)
    assert askings.plan_entry(including, told_again, NOON) is None


def test_what_is_no_act_of_the_person_asks_nobody() -> None:
    order = asking(segment_id="s1")
    assert reason_of(askings.plan_entry(order, entry(cause="merge"), NOON)) == Reason.MERGED
    for one in (
        entry(historic=True),
        entry(event_timestamp=NOON - 2 * DAY),
        entry(by_time=True, at=NOON - 2 * DAY),
    ):
        assert reason_of(askings.plan_entry(order, one, NOON)) == Reason.OLD
    assert reason_of(askings.plan_entry(order, entry(by_time=True), NOON)) is None


def test_each_wave_has_an_occasion_of_its_own() -> None:
    order = asking(segment_id="s1", repeat_days=90)
    first, second = (askings.plan_again(order, "p1", "e1", wave, NOON) for wave in (0, 2))
    assert (first.occasion, second.occasion) == ("e1", "e1#2")


@settings(max_examples=examples(200))
@given(st.text(max_size=20), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_sample_is_always_the_same_and_grows(profile: str, one: float, other: float) -> None:
    small, great = sorted([one, other])
    if askings.in_share(UUID(int=1), profile, small):
        assert askings.in_share(UUID(int=1), profile, great)
    assert askings.in_share(UUID(int=1), profile, 1.0)


def test_a_sample_is_about_as_large_as_it_says_and_others_for_others() -> None:
    people = [f"p{number}" for number in range(2000)]
    first, second = (
        {one for one in people if askings.in_share(UUID(int=order), one, 0.25)} for order in (1, 2)
    )
    assert 400 < len(first) < 600
    assert 60 < len(first & second) < 200
    left = askings.plan_event(asking(event="Order Delivered", share=1e-9), "p1", event(), NOON)
    assert left is not None
    assert (left.state, left.reason, left.next_at) == (State.NOT_ASKED, Reason.SAMPLE, None)


def test_the_quota_is_of_a_day() -> None:
    order = asking(event="x", daily_quota=10)
    assert askings.room(asking(), NOON) is None
    assert askings.room(order, NOON) == 10
    assert askings.room(replace(order, quota=("2026-01-16", 8)), NOON) == 2
    assert askings.room(replace(order, quota=("2026-01-16", 12)), NOON) == 0
    assert askings.room(replace(order, quota=("2026-01-15", 10)), NOON) == 10
    assert askings.tomorrow(NOON) == datetime(2026, 1, 17, tzinfo=UTC)


def test_reminders_follow_the_invitation_and_end() -> None:
    order = asking(event="x", reminders=[3, 7])
    assert [askings.reminder_at(order, NOON, sent) for sent in range(3)] == [
        NOON + 3 * DAY,
        NOON + 7 * DAY,
        None,
    ]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "segment_id"),
        ({"segment_id": "s", "event": "e"}, "segment_id"),
        ({"segment_id": "s", "allow_old_events": True}, "where"),
        ({"event": "e", "repeat_days": 3}, "repeat_days"),
        ({"event": "e", "reminders": [3, 3]}, "reminders"),
        ({"event": "e", "reminders": [7], "expires_days": 7}, "reminders"),
        ({"event": "e", "channels": ["sms", "sms"]}, "channels"),
        ({"event": "e", "where": [Filter(property="p", op="in", value=1)]}, "where[0].value"),
        ({"event": "e", "where": [Filter(property="p", op="gte", value="9")]}, "where[0].value"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_path(document: dict[str, Any], path: str) -> None:
    assert [one for one, _ in askings.problems(AskingDocument(**document))] == [path]


def test_a_whole_order_is_right() -> None:
    told = AskingDocument(
        event="e",
        where=[Filter(property="p", op="lte", value=6)],
        reminders=[3, 7],
        channels=["sms", "email"],
    )
    assert askings.problems(told) == []
