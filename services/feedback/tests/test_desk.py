"""Where cases land, who gets them, what views ask for, what is alike: the rules, by themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.testing.examples import examples
from rapport_feedback.domain import case_links, case_search, case_views, desk, live_marks
from rapport_feedback.domain.case_fields import Fields, Severity
from rapport_feedback.domain.case_links import Link, Way
from rapport_feedback.domain.case_views import ME, MINE, NOBODY, SHIPPED, Filters, ViewDocument
from rapport_feedback.domain.cases import Case, State
from rapport_feedback.domain.desk import Agent, Desk, Mode, QueueDocument, TeamDocument, Urgency
from rapport_feedback.domain.likeness import LEAST, Saying, likeness, pieces
from rapport_feedback.domain.policies import When

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WORDS = st.sampled_from(("", "a", "b"))
FIELDS = st.builds(
    Fields,
    severity=st.sampled_from(Severity),
    category=WORDS,
    product=WORDS,
    tier=WORDS,
    channel=WORDS,
    language=WORDS,
    queue=WORDS,
)
# Mostly none: two that fit, or somebody who can, must not be rare.
SOME = st.sampled_from(((), (), (), (), (), ("a",), ("b",), ("a", "b")))
WHENS = st.builds(
    When,
    severity=st.sampled_from(((), (), (), (Severity.LOW,), (Severity.HIGH, Severity.LOW))),
    category=SOME,
    product=SOME,
    tier=SOME,
    channel=SOME,
    language=SOME,
)
QUEUES = st.dictionaries(
    st.sampled_from(("p", "q", "r", "s")),
    st.builds(
        QueueDocument,
        when=WHENS,
        order=st.integers(0, 3),
        team=st.sampled_from(("", "", "t", "gone")),
        mode=st.sampled_from(Mode),
        skills=SOME,
    ),
    min_size=1,
)
NAMES = ("ann", "bob", "cem")
AGENTS = st.lists(
    st.builds(
        Agent,
        id=st.sampled_from(NAMES),
        skills=SOME.map(frozenset),
        languages=SOME.map(frozenset),
        capacity=st.integers(1, 3),
        present=st.sampled_from((True, True, False)),
        assigned_at=st.none() | st.integers(0, 3).map(lambda days: NOW - timedelta(days=days)),
        load=st.integers(0, 4),
    ),
    unique_by=lambda one: one.id,
)
DESKS = st.builds(
    Desk,
    QUEUES,
    st.dictionaries(
        st.just("t"),
        st.lists(st.sampled_from(NAMES)).map(lambda names: TeamDocument("", tuple(names))),
    ),
)


@settings(max_examples=examples(200))
@given(DESKS, FIELDS)
def test_a_case_lands_in_the_first_queue_that_fits(known: Desk, fields: Fields) -> None:
    placed = known.placed(fields)
    assert replace(placed, queue=fields.queue) == fields
    assert known.placed(placed) == placed, "it does not move unless something else has changed"
    fitting = [name for name, one in known.queues.items() if one.when.fits(fields)]
    if not fitting:
        assert placed.queue == ""
        return
    assert placed.queue in fitting
    ours = known.queues[placed.queue].order, placed.queue
    assert all(ours <= (known.queues[name].order, name) for name in fitting)


@settings(max_examples=examples(300))
@given(AGENTS, DESKS, WORDS, st.randoms(use_true_random=False))
def test_who_is_chosen_may_have_it_and_has_the_least(
    agents: list[Agent], known: Desk, language: str, chance: "object"
) -> None:
    for queue in known.queues.values():
        members = known.members(queue)
        choice = desk.choose(agents, queue, members, language)
        shuffled = list(agents)
        chance.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' Random
        assert desk.choose(shuffled, queue, members, language) == choice
        able = [
            one
            for one in agents
            if one.present
            and one.load < one.capacity
            and set(queue.skills) <= one.skills
            and (not language or not one.languages or language in one.languages)
            and (not queue.team or one.id in known.teams.get("t", TeamDocument()).members)
            and queue.team != "gone"
        ]
        assert (choice.agent is None) == (not able)
        if choice.agent is None:
            continue
        chosen = next(one for one in able if one.id == choice.agent)
        assert all(chosen.load / chosen.capacity <= one.load / one.capacity for one in able)


def test_of_equals_who_was_given_one_longest_ago() -> None:
    queue, hour = QueueDocument(), timedelta(hours=1)
    agents = [
        Agent("ann", assigned_at=NOW),
        Agent("bob", assigned_at=NOW - hour),
        Agent("cem", load=1),
    ]
    assert desk.choose(agents, queue, None, "").agent == "bob"
    assert desk.choose([*agents, Agent("zoe")], queue, None, "").agent == "zoe"


def test_why_nobody() -> None:
    agents = [
        Agent("ann", present=False),
        Agent("bob", load=10),
        Agent("cem", languages=frozenset({"en"})),
    ]
    told = desk.choose(agents, QueueDocument(), None, "de")
    assert told == desk.Choice(None, "1 away, 1 without the language, 1 at capacity")
    assert desk.choose([], QueueDocument(), None, "").reason == "there are no agents"


def test_who_serves_which_queues() -> None:
    known = Desk(
        {
            "all": QueueDocument(),
            "lost": QueueDocument(team="gone", mode=Mode.PUSH),
            "two": QueueDocument(team="t", mode=Mode.PUSH),
        },
        {"t": TeamDocument("", ("ann",)), "u": TeamDocument()},
    )
    assert known.served_by("ann") == ["all", "two"]
    assert known.served_by("ann", Mode.PUSH) == ["two"]
    assert known.served_by("bob") == ["all"]
    assert (known.teams_of("ann"), known.teams_of("bob")) == (["t"], [])


def test_what_is_urgent() -> None:
    due, none = NOW + timedelta(days=1), None
    first = Case(State.RECEIVED, 1, NOW, deadline_at=due)
    older = Case(State.RECEIVED, 1, NOW - timedelta(days=9), deadline_at=none)
    low, critical = Severity.LOW, Severity.CRITICAL

    def order(*by: Urgency) -> list[int]:
        keys = [desk.urgency_of(first, low, by), desk.urgency_of(older, critical, by)]
        return sorted(range(2), key=lambda at: keys[at])

    assert order(*desk.USUAL_URGENCY) == [0, 1]
    assert order(Urgency.SEVERITY) == [1, 0]
    assert order(Urgency.AGE, Urgency.DUE) == [1, 0]


def test_a_view_is_of_who_asks() -> None:
    known = Desk(
        {"gold": QueueDocument(team="t"), "other": QueueDocument()},
        {"t": TeamDocument("", ("ann",))},
    )
    asked = case_views.asked(SHIPPED["team"], "ann", known)
    assert (asked.teams, asked.queues) == (("t",), ("gold",))
    assert case_views.asked(SHIPPED["team"], "bob", known).teams == ()
    view = ViewDocument("", Filters(owner=(ME, NOBODY, "cem"), team=("u", MINE), overdue=True))
    mixed = case_views.asked(view, "ann", known)
    assert mixed.columns == (("owner", ("ann", "", "cem")),)
    assert (mixed.teams, mixed.overdue) == (("t", "u"), True)
    assert State.CLOSED not in mixed.states
    closed = case_views.asked(ViewDocument("", Filters(state=(State.CLOSED,))), "ann", known)
    assert (closed.states, closed.teams, closed.columns) == ((State.CLOSED,), None, ())


TEXTS = st.text("abc äé退款包裹。- ", max_size=40)


@settings(max_examples=examples(200))
@given(TEXTS, TEXTS)
def test_likeness_is_the_same_from_either_side(one: str, other: str) -> None:
    ours, theirs = Saying(one), Saying(other)
    assert likeness(ours, theirs) == likeness(theirs, ours)
    assert 0 <= likeness(ours, theirs).words <= 1
    assert likeness(ours, ours).words in {0.0, 1.0}


def test_what_is_proposed() -> None:
    ann, bob = frozenset({("e", "ann@example.com")}), frozenset({("e", "bob@example.com")})
    late = Saying("My parcel is late", ann, "1")
    assert likeness(late, Saying("my PARCEL: läte, is", ann)).is_proposed
    assert not likeness(late, Saying("my parcel is late", bob)).is_proposed
    assert not likeness(late, Saying("An invoice", ann)).is_proposed
    assert likeness(late, Saying("An invoice", bob, "1")).is_proposed
    assert not likeness(late, replace(late, people=bob, order_id="")).same_order
    assert likeness(late, late).score == 1.0
    assert likeness(Saying("我的包裹还没有到", ann), Saying("包裹没有到", ann)).words >= LEAST
    assert pieces("Kettle 包裹a") == {"kettle", "包裹", "a"}
    assert pieces("退") == {"退"}
    assert likeness(Saying(""), Saying("")).words == 0.0


def test_links_are_kept_once_and_read_from_both_sides() -> None:
    one, other = sorted((uuid4(), uuid4()), key=str)
    assert case_links.ends(other, one, Link.RELATED) == (one, other)
    assert case_links.ends(one, other, Link.RELATED) == (one, other)
    assert case_links.ends(other, one, Link.CHILD_OF) == (other, one)
    assert case_links.way_of(Link.CAUSED_BY, back=False) is Way.CAUSED_BY
    assert case_links.way_of(Link.CAUSED_BY, back=True) is Way.CAUSES
    assert case_links.is_circle(one, one, ())
    assert case_links.is_circle(one, other, {one})
    assert not case_links.is_circle(one, other, {other})


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ("Late parcel", "'late':* & 'parcel':*"),
        ("to be", "'to' & 'be'"),
        ("包裹 ab退", "('包' <-> '裹') & 'ab' & ('退')"),
        ("ada@example.com", "'ada@example.com':*"),
        ("it's", "'it' & 's'"),
        ("!&|() _ __ -", None),
        ("A-1234 kettle-1", "'a-1234':* & 'kettle-1':*"),
        ("1234", "('1234':* | '-1234':*)"),
        ("Mu\u0308ller", "'m\u00fcller':*"),
        ("a " * 20, "" + " & ".join(["'a'"] * 10)),
    ],
)
def test_what_is_looked_for(asked: str, query: str | None) -> None:
    assert case_search.query_of(asked) == query


@settings(max_examples=examples(100))
@given(st.integers(0, 2**63 - 1), st.uuids(), st.integers(0, 86_000))
def test_a_mark_is_read_as_it_was_told(xid: int, case_id: UUID, seconds: int) -> None:
    told = live_marks.told(xid, case_id, NOW - timedelta(seconds=seconds))
    assert live_marks.read(told, NOW) == (xid, case_id)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("1.2.3", "no id"),
        (f"{2**63}.{'0' * 32}.{int(NOW.timestamp())}", "no bigint"),
        (live_marks.told(1, UUID(int=1), NOW - live_marks.KEPT), "too old"),
        (live_marks.told(1, UUID(int=1), NOW + timedelta(hours=1)), "from ahead"),
    ],
)
def test_what_is_no_mark_is_none(text: str, why: str) -> None:
    assert live_marks.read(text, NOW) is None, why
