"""So many new identifiers of a kind within some days: whatever the order in which events come."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from services.profile.tests.people import IDS, START, content, event, expected
from services.profile.tests.stored import People, W

from rapport_common.events.envelope import Event, Identifier
from rapport_common.testing.examples import examples
from rapport_profile.domain.identity import Resolution, resolve
from rapport_profile.domain.limits import Terms
from rapport_profile.domain.merge_rules import KindRule, MaxNew, MergeRules, Rules, checked

DAY = 24 * 60
"""In minutes."""
MAILS, DEVICES = "efgh", "uvwxyz"
KINDS = {
    "A": "user_id",
    **dict.fromkeys(MAILS, "email"),
    **dict.fromkeys(DEVICES, "anonymous_id"),
}


def rules(**kinds: KindRule) -> Rules:
    return Rules(checked(MergeRules((), kinds)))


def new(count: int, days: int, most: int | None = None) -> KindRule:
    return KindRule(most, max_new=MaxNew(count, days))


# --- any links at all --------------------------------------------------------------------------

Told = list[tuple[str, str, int]]
"""Links with when they were told of, in half days."""
one = st.sampled_from(sorted(KINDS))
told = st.lists(st.tuples(one, one, st.integers(0, 8)).filter(lambda link: link[0] != link[1]))
windows = st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3))


def times_of(links: Told) -> dict[tuple[str, str], datetime]:
    """The first time of each link, the earliest first."""
    found: dict[tuple[str, str], datetime] = {}
    for one, other, half_days in sorted(links, key=lambda link: link[2]):
        found.setdefault((one, other), START + half_days * timedelta(hours=12))
    return found


def resolved(links: Told, some: Rules) -> Resolution:
    first = times_of(links)
    return resolve(KINDS, list(first), (), Terms(some, (), first))


def too_many(times: Sequence[datetime], count: int, days: int) -> bool:
    """Looked at from each of the times on: those before a window's end."""
    return any(sum(at <= one < at + timedelta(days=days) for one in times) > count for at in times)


def first_links(links: Told, group: frozenset[str]) -> dict[str, datetime]:
    """When each one was linked to another of the group first."""
    first: dict[str, datetime] = {}
    for ends, at in times_of(links).items():
        if group.issuperset(ends):
            first |= {end: min(at, first.get(end, at)) for end in ends}
    return first


@settings(max_examples=examples(300))
@given(told, windows, windows)
def test_nobody_has_more_new_ones_than_the_rules_allow(
    links: Told, mails: tuple[int, int] | None, devices: tuple[int, int] | None
) -> None:
    limits = {"email": mails, "anonymous_id": devices}
    kinds = {kind: new(*window) for kind, window in limits.items() if window}
    found = resolved(links, rules(**kinds))
    assert sorted(one for group in found.groups for one in group) == sorted(KINDS)
    free = resolve(KINDS, [link[:2] for link in links], found.shared)
    for component in free.groups:
        first = first_links(links, component)
        for group in (one for one in found.groups if one <= component):
            for kind, one in kinds.items():
                assert one.max_new is not None
                times = [first[each] for each in group & first.keys() if KINDS[each] == kind]
                assert not too_many(times, one.max_new.count, one.max_new.days)
        # Who has no more of a kind than may be new at any time is as without a limit.
        counts = {kind: sum(KINDS[one] == kind for one in component) for kind in kinds}
        if all(n <= kinds[kind].max_new.count for kind, n in counts.items()):  # type: ignore[union-attr]
            assert component in found.groups


def test_two_parts_that_have_several_each_are_one_if_no_window_of_both_has_too_many() -> None:
    links: Told = [("u", "v", 0), ("u", "w", 0), ("x", "y", 4), ("x", "z", 4), ("w", "x", 5)]
    both = resolved(links, rules(anonymous_id=new(3, 2))).groups
    assert frozenset("uvwxyz") in both
    apart = resolved(links, rules(anonymous_id=new(3, 3))).groups
    assert {frozenset("uvw"), frozenset("xyz")} <= set(apart)
    # Two and two are one, and who comes behind them is too many.
    links = [("u", "v", 0), ("w", "x", 0), ("v", "w", 1), ("x", "y", 2)]
    found = resolved(links, rules(anonymous_id=new(4, 2))).groups
    assert {frozenset("uvwx"), frozenset("y")} <= set(found)


@given(told, windows)
def test_who_was_seen_with_too_many_stronger_ones_at_once_is_shared(
    links: Told, mails: tuple[int, int] | None
) -> None:
    window = mails or (2, 2)
    found = resolved(links, rules(email=new(*window)))
    for device in DEVICES:
        first: dict[str, datetime] = {}
        for ends, at in times_of(links).items():
            for mail in {*ends} & set(MAILS) if device in ends else ():
                first[mail] = min(at, first.get(mail, at))
        assert (device in found.shared) == too_many(list(first.values()), *window)


# --- events that come in any order ---------------------------------------------------------------


@st.composite
def visits(draw: st.DrawFn) -> Event:
    """At a few devices that many share, over days; copies of messages too, at other times."""
    mail, device = draw(st.sampled_from([None, *MAILS])), draw(st.sampled_from([None, *"uvw"]))
    user = draw(st.sampled_from([None] * 6 + ["A", "B"]))
    fields: dict[str, Any] = {"user_id": user, "email": mail, "anonymous_id": device}
    if not any(fields.values()):
        fields["anonymous_id"] = "u"
    if draw(st.integers(0, 7)) == 0:
        previous = draw(st.sampled_from(["u", "v", "A"]))
        fields |= {"type": "alias", "previous_id": previous}
        fields["trust"] = draw(st.sampled_from(["trusted", "public"]))
    at = draw(st.integers(0, 6)) * DAY // 2
    return event(f"m{draw(st.integers(0, 24))}", at=at, **fields)


@st.composite
def windowed(draw: st.DrawFn) -> Rules:
    rule = st.builds(new, st.integers(1, 2), st.integers(1, 3), st.sampled_from([None, None, 3]))
    kinds = {"email": draw(rule), "anonymous_id": draw(rule | st.just(KindRule()))}
    order = draw(st.sampled_from([(), ("anonymous_id",)]))
    return Rules(checked(MergeRules(order, kinds)))


NAMES: list[Identifier] = [
    ("user_id", "A"),
    *(("email", one) for one in MAILS[:3]),
    *(("anonymous_id", one) for one in "uv"),
]
words = st.tuples(
    st.sampled_from(["keep_apart", "keep_apart", "join", "undo"]),
    st.sampled_from(list(itertools.combinations(NAMES, 2))),
)
CUT = st.integers(0, 24)


class Lives:
    """People, with all that was said of them; after each step they are what that amounts to."""

    def __init__(self, some: Rules, seed: int | None = None) -> None:
        self.rules = some
        self.made = People(seed, some)
        self.history: list[Event] = []
        self.apart: set[tuple[Identifier, Identifier]] = set()
        self.joined: set[tuple[Identifier, Identifier]] = set()
        self.cuts: set[str] = set()

    def take(self, step: Any) -> None:
        if isinstance(step, list):
            self.made.feed(step)
            self.history += step
        elif isinstance(step, Rules):
            self.rules = step
            self.made.hold(step)
            self.made.rebuild(3)
        elif isinstance(step, int):
            self.cut(f"m{step}")
        else:
            self._decide(*step)
        self.check()

    def cut(self, name: str) -> None:
        if name in self.made.counting:
            self.made.cut(name, back=name in self.cuts)
            self.cuts ^= {name}

    def _decide(self, word: str, pair: tuple[Identifier, Identifier]) -> None:
        rows = [self.made.rows.get(IDS.of(W, one)) for one in pair]
        if any(row is None or row.profile is None for row in rows):
            return
        if word == "undo":
            word = "let_together" if pair in self.apart else "let_go"
        said = self.joined if word in {"join", "let_go"} else self.apart
        if (pair in said) == (word in {"join", "keep_apart"}):
            return
        self.made.decide(word, *pair)
        said ^= {pair}

    def check(self) -> None:
        wanted = expected(self.history, self.rules, self.apart, self.joined, self.cuts)
        assert content(self.made.states()) == content(self.made.told()) == wanted
        self.made.check()


@settings(max_examples=examples(150))
@given(
    steps=st.lists(
        st.lists(visits(), min_size=1, max_size=8) | words | windowed() | CUT, max_size=9
    ),
    some=windowed(),
    seed=st.none() | st.integers(0, 2**32),
)
def test_windows_give_the_same_people_whatever_comes_in_whatever_order(
    steps: list[Any], some: Rules, seed: int | None
) -> None:
    """Late events, copies, batches of any size, other rules, operators' words and cuts."""
    lives = Lives(some, seed)
    for step in steps:
        lives.take(step)
    assert lives.made.rebuild(2) == 0


@st.composite
def guests(draw: st.DrawFn) -> Event:
    """A kiosk's, at any time; some of them are users, and some take it for their own."""
    device = draw(st.sampled_from("uuuv"))
    who: dict[str, Any] = {"email": draw(st.sampled_from(MAILS[:3])), "anonymous_id": device}
    if draw(st.integers(0, 9)) == 0:
        who["user_id"] = draw(st.sampled_from("AB"))
    if draw(st.integers(0, 9)) == 0:
        who |= {"anonymous_id": None, "type": "alias", "previous_id": device}
    return event(f"m{draw(st.integers(0, 99))}", at=draw(st.integers(0, 8)) * DAY // 2, **who)


@settings(max_examples=examples(300))
@given(
    batches=st.lists(st.lists(guests(), min_size=1, max_size=3), max_size=7),
    window=st.builds(new, st.integers(1, 2), st.integers(1, 3)),
)
def test_who_is_shared_by_what_came_at_once_is_so_until_it_turns_out_that_it_did_not(
    batches: list[list[Event]], window: KindRule
) -> None:
    """A late event says that one of them came long before the others."""
    lives = Lives(rules(email=window))
    for batch in batches:
        lives.take(batch)


EARLY, LATE, OTHER = (
    event("early", email="e", anonymous_id="kiosk"),
    event("late", email="e", anonymous_id="kiosk", at=10 * DAY),
    event("other", email="f", anonymous_id="kiosk", at=5 * DAY),
)


def shared(lives: Lives) -> bool:
    return lives.made.rows[IDS.of(W, ("anonymous_id", "kiosk"))].shared


def test_an_event_that_is_cut_moves_what_is_left_into_another_window() -> None:
    """Then e was first seen at the kiosk long after f, and both may be somebody's."""
    lives = Lives(rules(email=new(1, 4)))
    lives.take([event("sooner", email="e", anonymous_id="kiosk", at=4 * DAY), OTHER, LATE])
    assert shared(lives)
    for cut in (True, False):
        lives.cut("sooner")
        lives.check()
        assert shared(lives) != cut


def test_a_window_is_half_open_to_the_millisecond() -> None:
    for length, together in ((DAY, True), (DAY - 1 / 60_000, False)):
        lives = Lives(rules(email=new(1, 1)))
        lives.take([EARLY, event("m", email="f", anonymous_id="kiosk", at=length)])
        assert shared(lives) != together


def test_what_a_late_event_moves_leaves_the_kiosk_to_somebody() -> None:
    lives = Lives(rules(email=new(1, 3)))
    lives.take([OTHER, event("next", email="e", anonymous_id="kiosk", at=6 * DAY)])
    assert shared(lives)
    lives.take([EARLY])
    assert not shared(lives)
    (person,) = lives.made.states()
    assert len(person.identifiers) == 3


def test_a_late_alias_moves_nothing_if_it_is_void() -> None:
    """The kiosk's id is a user's, too."""
    lives = Lives(rules(email=new(1, 3)))
    lives.take([event("user", user_id="kiosk")])
    lives.take([OTHER, event("next", email="e", anonymous_id="kiosk", at=6 * DAY)])
    assert shared(lives)
    alias = event("alias", type="alias", email="f", previous_id="kiosk", at=DAY)
    lives.take([EARLY, alias])
    assert not shared(lives)


def test_a_kiosk_of_two_users_is_shared_whenever_they_came() -> None:
    lives = Lives(rules(email=new(1, 3)))
    lives.take([event(one, user_id=one, anonymous_id="kiosk") for one in "AB"])
    lives.take([OTHER, event("next", email="e", anonymous_id="kiosk", at=6 * DAY)])
    lives.take([EARLY])
    assert shared(lives)


def test_who_is_looked_at_again_without_a_new_link_is_shared_still() -> None:
    """Two users have a device. What is told last says nothing new, but of an earlier time."""
    rules = Rules(MergeRules(kinds={"anonymous_id": KindRule(max_new=MaxNew(1, 1))}))
    noon = 12 * 60
    batches = [
        [
            event("1", type="alias", user_id="A", previous_id="y"),
            event("2", type="alias", user_id="B", previous_id="y", at=noon),
            event("3", user_id="B", anonymous_id="y"),
            event("4", user_id="B", anonymous_id="y"),
        ],
        [event("5", email="e", anonymous_id="y", at=noon)],
    ]
    people = People(None, rules)
    for one in batches:
        people.feed(one)
        people.check()
    assert content(people.states()) == expected([*batches[0], *batches[1]], rules)
