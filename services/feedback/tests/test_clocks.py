"""The clocks of a case: what peers got wrong, the UK's timetable, and any order of the events."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain import policies, winding
from rapport_feedback.domain.case_fields import Fields
from rapport_feedback.domain.cases import Clock, State
from rapport_feedback.domain.clocks import (
    Counted,
    Escalation,
    Lap,
    Moment,
    Outcome,
    Rule,
    Span,
    Until,
    all_laps,
    laps,
)
from rapport_feedback.domain.hours import Calendar, on_days
from rapport_feedback.domain.policies import Chosen, Policies, PolicyError, ServiceLevels

OFFICE = Calendar(on_days(range(5), time(9), time(17)))
LONDON = Calendar(on_days(range(5), time(9), time(17)), ZoneInfo("Europe/London"))
FRIDAY = datetime(2026, 1, 16, 16, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ONE_OPEN_HOUR = Span(Counted.OPEN, HOUR)
EIGHT_WEEKS = Span(Counted.WALL, timedelta(days=56))


def at(*parts: int) -> datetime:
    return datetime(2026, *parts, tzinfo=UTC)  # type: ignore[misc, arg-type] # the parts are integers


def path(*states: State, every: timedelta = HOUR) -> list[Moment]:
    """Received on Friday afternoon, and then a state each hour."""
    went = [State.RECEIVED, *states]
    return [Moment(FRIDAY + index * every, index, to=state) for index, state in enumerate(went)]


def one(rule: Rule, moments: list[Moment]) -> Lap:
    [found] = laps(rule, moments)
    return found


def test_an_open_hour_from_friday_afternoon_ends_on_monday() -> None:
    """Chatwoot counted it by the wall clock until 2026."""
    lap = one(Rule(Clock.FIRST_RESPONSE, ONE_OPEN_HOUR, OFFICE), path())
    assert lap.due_at == at(1, 19, 9, 30)


def test_an_update_does_not_overrule_the_first_response() -> None:
    """Zammad 5177: clocks know nothing of each other."""
    told = [*path(), Moment(FRIDAY + HOUR, 1, told=True)]
    rules = [
        Rule(Clock.FIRST_RESPONSE, ONE_OPEN_HOUR, OFFICE),
        Rule(Clock.NEXT_UPDATE, Span(Counted.WALL, DAY), OFFICE),
    ]
    found = all_laps(rules, told)
    assert found[Clock.FIRST_RESPONSE, 1].outcome is Outcome.MET
    assert found[Clock.NEXT_UPDATE, 1].outcome is Outcome.MET
    assert found[Clock.NEXT_UPDATE, 2].due_at == FRIDAY + HOUR + DAY


def test_who_was_answered_waits_for_no_update_until_he_refuses() -> None:
    rule = Rule(Clock.NEXT_UPDATE, Span(Counted.WALL, DAY), OFFICE)
    way = path(State.ACKNOWLEDGED, State.ASSESSED, State.RESPONSE_OFFERED)
    assert [lap.outcome for lap in laps(rule, way)] == [Outcome.MET]
    refused = [*way, Moment(FRIDAY + 4 * HOUR, 4, to=State.ESCALATED_INTERNAL)]
    assert [lap.outcome for lap in laps(rule, refused)] == [Outcome.MET, None]


def test_pause_and_limit_are_counted_by_one_calendar() -> None:
    """GLPI 10594 counted the pause by the wall clock; osTicket 1684 not at all."""
    rule = Rule(Clock.RESOLVE, Span(Counted.OPEN, 4 * HOUR), OFFICE, pauses=True)
    waits = [
        Moment(at(1, 19, 9), 1, to=State.RECEIVED),
        Moment(at(1, 19, 10), 2, to=State.INVESTIGATING),
        Moment(at(1, 19, 11), 3, to=State.WAITING_CUSTOMER),
    ]
    paused = one(rule, waits)
    assert (paused.paused, paused.due_at, paused.spent) == (True, None, 2 * HOUR)
    goes_on = [*waits, Moment(at(1, 23, 16), 4, to=State.INVESTIGATING)]
    assert one(rule, goes_on).due_at == at(1, 26, 10)


def test_reopening_begins_anew_and_keeps_what_was() -> None:
    """OsTicket 5955: a reopened case was late at once."""
    rule = Rule(Clock.RESOLVE, EIGHT_WEEKS, OFFICE)
    way = path(State.ACKNOWLEDGED, State.CLOSED, State.REOPENED, every=60 * DAY)
    first, second = laps(rule, way)
    assert (first.outcome, first.due_at) == (Outcome.BREACHED, FRIDAY + 56 * DAY)
    assert (second.outcome, second.due_at) == (None, FRIDAY + (180 + 56) * DAY)
    once = Rule(Clock.RESOLVE, EIGHT_WEEKS, OFFICE, restart=False)
    assert len(laps(once, way)) == 1


def test_a_warning_and_escalations_stand_by_the_limit() -> None:
    rule = Rule(
        Clock.ACKNOWLEDGE,
        Span(Counted.OPEN, 2 * HOUR),
        OFFICE,
        warn=HOUR,
        escalate=(Escalation(8 * HOUR, "lead"),),
    )
    lap = one(rule, path())
    assert (lap.warn_at, lap.due_at) == (at(1, 19, 9, 30), at(1, 19, 10, 30))
    assert lap.escalations == ((at(1, 20, 10, 30), "lead"),)


def test_a_missed_limit_does_not_move_any_more() -> None:
    rule = Rule(Clock.RESOLVE, Span(Counted.WALL, HOUR), OFFICE, pauses=True)
    way = path(State.INVESTIGATING, State.WAITING_CUSTOMER, State.CLOSED, every=2 * HOUR)
    lap = one(rule, way)
    assert (lap.outcome, lap.due_at) == (Outcome.BREACHED, FRIDAY + HOUR)


def known(levels: Calendar = LONDON) -> Policies:
    shipped = {name: (1, document) for name, (_about, document) in policies.LIBRARY.items()}
    return Policies(ServiceLevels(levels, 8 * HOUR, 56 * DAY, 90 * DAY), shipped, {})


def of(fields: Fields, *more: Moment) -> dict[Clock, Lap]:
    received = Moment(at(3, 26, 11), 1, to=State.RECEIVED)  # a Thursday; clocks change on Sunday
    found = all_laps(known().of(fields).rules, [received, *more])
    return {clock: lap for (clock, _number), lap in found.items()}


def test_the_timetable_of_the_uk() -> None:
    """FCA DISP 1.5, 1.6: the third business day after that of receipt, and eight weeks."""
    clocks = of(Fields())
    assert clocks[Clock.ACKNOWLEDGE].due_at == at(3, 27, 17)
    assert clocks[Clock.RESOLVE].due_at == at(3, 31, 16)  # 17:00 in summer
    assert clocks[Clock.EXTERNAL].due_at == at(3, 26, 11) + 56 * DAY


def test_the_timetable_of_payments_in_the_uk() -> None:
    """FCA DISP 1.6.2A: 15 business days, 35 after a holding reply."""
    payment = Fields(category="payment")
    assert of(payment)[Clock.EXTERNAL].due_at == at(4, 16, 16)
    held = of(payment, Moment(at(4, 10, 9), 2, told=True, extended=True))
    assert held[Clock.EXTERNAL].due_at == at(5, 14, 16)
    too_late = of(payment, Moment(at(4, 20, 9), 2, told=True, extended=True))
    assert too_late[Clock.EXTERNAL].due_at == at(4, 16, 16)


def test_a_final_response_ends_the_external_limit() -> None:
    answered = Moment(at(5, 1, 9), 3, to=State.RESPONSE_OFFERED)
    clocks = of(Fields(), Moment(at(3, 26, 12), 2, to=State.ACKNOWLEDGED), answered)
    assert clocks[Clock.EXTERNAL].outcome is Outcome.MET
    assert clocks[Clock.RESOLVE].outcome is Outcome.BREACHED


def test_without_a_policy_the_settings_hold() -> None:
    bare = Policies(ServiceLevels(OFFICE, 8 * HOUR, 56 * DAY, 90 * DAY), {}, {})
    chosen = bare.of(Fields())
    assert (chosen.name, chosen.version) == ("", 0)
    assert {rule.clock for rule in chosen.rules} == {Clock.ACKNOWLEDGE, Clock.RESOLVE}


@pytest.mark.parametrize(
    ("clock", "where"),
    [
        ({"limit": policies.Limit(minutes=0)}, "clocks.0.limit"),
        ({"limit": policies.Limit(days=36_500)}, "clocks.0.limit"),
        ({"limit": policies.Limit()}, "clocks.0.limit"),
        ({"limit": policies.Limit(hours=1, days=1)}, "clocks.0.limit"),
        ({"limit": policies.Limit(days=1, counted=Counted.OPEN)}, "clocks.0.limit"),
        ({"limit": policies.Limit(business_days=1, counted=Counted.OPEN)}, None),
        ({"limit": policies.Limit(business_days=1), "pauses": True}, "clocks.0.pauses"),
        ({"limit": policies.Limit(hours=1), "warn_minutes": 60}, "clocks.0.warn_minutes"),
        ({"limit": policies.Limit(hours=1), "calendar": "none"}, "clocks.0.calendar"),
        (
            {"limit": policies.Limit(hours=2), "extended": policies.Limit(hours=1)},
            "clocks.0.extended",
        ),
        (
            {
                "limit": policies.Limit(hours=1, counted=Counted.OPEN),
                "escalate": (policies.Told(after_minutes=1_000_000, to="lead"),),
            },
            "clocks.0.escalate.0.after_minutes",
        ),
    ],
)
def test_a_policy_that_can_not_be_says_where(
    clock: Mapping[str, object], where: str | None
) -> None:
    asked = policies.ClockDocument(Clock.RESOLVE, **clock)  # type: ignore[arg-type] # as told
    document = policies.PolicyDocument(clocks=(asked,))
    if where is None:
        policies.checked(document, known(), FRIDAY)
        return
    with pytest.raises(PolicyError) as refused:
        policies.checked(document, known(), FRIDAY)
    assert refused.value.where == where


def test_a_limit_beyond_all_calendars_is_refused() -> None:
    rare = Calendar({0: ((time(9), time(9, 1)),)})
    asked = policies.ClockDocument(Clock.RESOLVE, policies.Limit(hours=2000, counted=Counted.OPEN))
    with pytest.raises(PolicyError, match="20 years"):
        policies.checked(policies.PolicyDocument((asked,)), known(rare), FRIDAY)


def test_what_has_ended_stays_when_the_policy_changes() -> None:
    way = path(State.ACKNOWLEDGED)
    chosen = known(OFFICE).of(Fields())
    before = winding.wound(
        {}, all_laps(chosen.rules, way), chosen, now=FRIDAY + 2 * HOUR, since=FRIDAY
    )
    assert before[Clock.ACKNOWLEDGE, 1].lap.outcome is Outcome.MET
    other = Chosen("other", 2, (Rule(Clock.RESOLVE, EIGHT_WEEKS, OFFICE, until=Until.CLOSED),))
    after = winding.wound(
        before, all_laps(other.rules, way), other, now=FRIDAY + 3 * HOUR, since=None
    )
    assert after[Clock.ACKNOWLEDGE, 1] == before[Clock.ACKNOWLEDGE, 1]
    assert after[Clock.EXTERNAL, 1].lap.outcome is Outcome.DROPPED
    assert after[Clock.RESOLVE, 1].lap.due_at == FRIDAY + 56 * DAY
    again = winding.wound(
        after, all_laps(chosen.rules, way), chosen, now=FRIDAY + 4 * HOUR, since=None
    )
    assert again[Clock.EXTERNAL, 1].lap.outcome is None
    never = winding.wound(
        {}, all_laps(chosen.rules, way), chosen, now=FRIDAY + 4 * HOUR, since=None
    )
    assert (Clock.ACKNOWLEDGE, 1) not in never


HAPPENED = st.lists(
    st.tuples(
        st.sampled_from([None, *State]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 60 * 24 * 30),
    ),
    max_size=12,
)
RULES = [
    Rule(Clock.ACKNOWLEDGE, ONE_OPEN_HOUR, OFFICE, warn=timedelta(minutes=10)),
    Rule(Clock.FIRST_RESPONSE, Span(Counted.OPEN, 9 * HOUR), OFFICE, pauses=True),
    Rule(Clock.NEXT_UPDATE, Span(Counted.WALL, 2 * DAY), OFFICE, pauses=True),
    Rule(Clock.RESOLVE, EIGHT_WEEKS, OFFICE, pauses=True, extended=Span(Counted.WALL, 99 * DAY)),
    Rule(Clock.EXTERNAL, Span(Counted.BUSINESS_DAYS, days=15), OFFICE, restart=False),
]


@settings(max_examples=examples(100))
@given(HAPPENED, st.randoms(use_true_random=False))
def test_any_order_of_the_events_gives_the_same_clocks(
    happened: list[tuple[State | None, bool, bool, int]], chance: object
) -> None:
    moments = [Moment(FRIDAY, 0, to=State.RECEIVED)] + [
        Moment(FRIDAY + timedelta(minutes=minutes), order, to, told=told, extended=extended)
        for order, (to, told, extended, minutes) in enumerate(happened, start=1)
    ]
    mixed = list(moments)
    chance.shuffle(mixed)  # type: ignore[attr-defined] # a Random
    found = all_laps(RULES, moments)
    assert all_laps(RULES, mixed) == found
    for lap in found.values():
        assert lap.due_at is None or lap.due_at >= lap.started_at
        assert (lap.outcome is None) == (lap.ended_at is None)
        assert not lap.paused or lap.due_at is None
        assert lap.warn_at is None or lap.due_at is not None
