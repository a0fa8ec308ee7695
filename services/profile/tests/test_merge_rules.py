"""Merge rules: what can be declared, whom events name under them, and what comes apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.people import content, event, expected
from services.profile.tests.stored import People

from rapport_common.events.envelope import Identifier
from rapport_profile.domain.identity import resolve
from rapport_profile.domain.limits import Terms
from rapport_profile.domain.merge_rules import (
    MAX_BLOCKED,
    MAX_DAYS,
    MAX_KINDS,
    KindRule,
    MaxNew,
    MergeRules,
    RuleBook,
    Rules,
    checked,
)
from rapport_profile.domain.naming import naming, normal_or_given
from rapport_profile.domain.rules import RulesError

Named = dict[str, tuple[str, ...]]


def rules(*order: str, blocked: Named | None = None, **kinds: KindRule) -> Rules:
    return Rules(checked(MergeRules(order, kinds, blocked or {})))


def new(count: int, days: int, most: int | None = None) -> KindRule:
    return KindRule(most, max_new=MaxNew(count, days))


@pytest.mark.parametrize(
    ("where", "declared"),
    [
        ("kinds.Store", MergeRules(kinds={"Store": KindRule()})),
        ("order.0", MergeRules(("Store",))),
        ("order.1", MergeRules(("email", "email"))),
        ("order.1", MergeRules(("email", "user_id"))),
        ("order", MergeRules(tuple(f"k{n}" for n in range(MAX_KINDS + 1)))),
        ("kinds.email.max_per_profile", MergeRules(kinds={"email": KindRule(0)})),
        ("kinds.user_id.max_per_profile", MergeRules(kinds={"user_id": KindRule(2)})),
        ("kinds.user_id.joins", MergeRules(kinds={"user_id": KindRule(joins=False)})),
        ("kinds.user_id.max_new", MergeRules(kinds={"user_id": new(1, 1)})),
        ("kinds.email.max_new.count", MergeRules(kinds={"email": new(0, 7)})),
        ("kinds.email.max_new.count", MergeRules(kinds={"email": new(3, 7, most=3)})),
        ("kinds.email.max_new.days", MergeRules(kinds={"email": new(1, 0)})),
        ("kinds.email.max_new.days", MergeRules(kinds={"email": new(1, MAX_DAYS + 1)})),
        ("blocked", MergeRules(blocked={"x": tuple(map(str, range(MAX_BLOCKED + 1)))})),
        ("blocked.email", MergeRules(blocked={"email": ("no address",)})),
        ("blocked.phone", MergeRules(blocked={"phone": ("0171 1234567",)})),
        ("blocked.x", MergeRules(blocked={"x": ("a" * 513,)})),
        ("blocked.x", MergeRules(blocked={"x": ("a\0",)})),
        ("blocked.X", MergeRules(blocked={"X": ("a",)})),
    ],
)
def test_rules_that_cannot_be_are_refused_by_their_part(where: str, declared: MergeRules) -> None:
    with pytest.raises(RulesError) as refused:
        checked(declared)
    assert refused.value.where == where


def test_blocked_values_are_kept_in_the_form_in_which_they_come() -> None:
    declared = MergeRules(
        ("user_id", "email"),
        {"user_id": KindRule(1)},
        {"email": (" Shop@EXAMPLE.com",), "device_id": ("b ", "a", "b"), "till": ()},
    )
    assert checked(declared).blocked == {
        "device_id": ("a", "b"),
        "email": ("shop@example.com",),
    }


def named(some: Rules, *identifiers: Identifier, previous: str | None = None) -> list[Identifier]:
    told = event("1", identifiers=list(identifiers), previous_id=previous)
    found = naming(told, some)
    assert found is not None
    return found.all


USER, MAIL, CARD, DEVICE = (
    ("user_id", "U"),
    ("email", "ada@example.com"),
    ("loyalty_card", "7"),
    ("device_id", "d"),
)


def test_the_rules_say_which_kind_is_the_strongest() -> None:
    assert named(rules(), DEVICE, CARD, MAIL) == [DEVICE, CARD, MAIL]
    # To say how many one has says nothing of how strong it is.
    assert named(rules(loyalty_card=KindRule(3)), MAIL, CARD, DEVICE) == [MAIL, CARD, DEVICE]
    card_first = rules("loyalty_card")
    assert named(card_first, MAIL, CARD, DEVICE) == [CARD, MAIL, DEVICE]
    assert named(card_first, MAIL, CARD, USER) == [USER, CARD, MAIL]


def test_who_does_not_join_names_only_what_names_nobody_else() -> None:
    kiosk = rules(device_id=KindRule(joins=False), blocked={"email": ("ada@example.com",)})
    assert named(kiosk, USER, MAIL, DEVICE) == [USER]
    assert named(kiosk, MAIL, DEVICE) == [MAIL]
    assert named(kiosk, DEVICE) == [DEVICE]


def test_an_alias_from_or_under_who_does_not_join_joins_nobody() -> None:
    """Known as a user id or not."""
    shared: Named = {"anonymous_id": ("shared", "till"), "user_id": ("b", "till")}
    some = rules(device_id=KindRule(joins=False), blocked=shared)
    assert named(some, USER, previous="a") == [USER, ("anonymous_id", "a"), ("user_id", "a")]
    assert named(some, USER, previous="b") == [USER, ("anonymous_id", "b")]
    assert named(some, USER, previous="shared") == [USER, ("user_id", "shared")]
    assert named(some, USER, previous="till") == [USER]
    assert named(some, USER, previous=USER[1]) == [USER, ("anonymous_id", USER[1])]
    assert named(some, DEVICE, previous="a") == [DEVICE]
    assert named(some, MAIL, previous="a") == [MAIL, ("anonymous_id", "a")]


def groups(
    some: Rules, kinds: dict[str, str], *links: tuple[str, str]
) -> tuple[set[frozenset[str]], frozenset[str]]:
    found = resolve(kinds, links, (), Terms(some))
    return set(found.groups), found.shared


def kinds(**some: str) -> dict[str, str]:
    return {one: kind for kind, letters in some.items() for one in letters}


def test_who_would_have_too_many_keeps_the_strongest_and_the_earliest() -> None:
    two = rules(email=KindRule(2))
    found, shared = groups(two, kinds(user_id="A", email="efg"), ("A", "f"), ("A", "g"), ("A", "e"))
    assert (found, shared) == ({frozenset("Afg"), frozenset("e")}, frozenset())
    # A stronger link comes before an earlier one: the card is the user's.
    one = rules(loyalty_card=KindRule(1))
    found, _shared = groups(
        one, kinds(user_id="A", email="e", loyalty_card="xy"), ("e", "y"), ("A", "e"), ("A", "x")
    )
    assert found == {frozenset("Aex"), frozenset("y")}


def test_who_is_linked_to_more_of_a_stronger_kind_than_one_has_is_shared() -> None:
    """A kiosk on which three people typed their addresses."""
    two = rules(email=KindRule(2))
    told = [("e", "d"), ("f", "d"), ("g", "d"), ("h", "e")]
    found, shared = groups(two, kinds(email="efgh", device_id="d"), *told)
    assert shared == frozenset("d")
    assert found == {frozenset("d"), frozenset("eh"), frozenset("f"), frozenset("g")}


def test_the_workspaces_with_limits_are_known() -> None:
    book = RuleBook(a=rules(email=KindRule(2)), b=rules(email=KindRule()), c=rules())
    assert book.limited() == ["a"]
    assert not book.has_windows
    book = RuleBook(a=rules(email=new(2, 7)), b=rules())
    assert (book.limited(), book.has_windows) == (["a"], True)


def test_an_identifier_is_asked_for_in_any_form() -> None:
    assert normal_or_given(("email", " Ada@EXAMPLE.com")) == ("email", "ada@example.com")
    assert normal_or_given(("phone", "+49 30 123456")) == ("phone", "+4930123456")
    assert normal_or_given(("phone", "no number")) == ("phone", "no number")


def test_a_person_of_hundreds_keeps_count_when_some_leave() -> None:
    """More than are shown: how many there are of a kind is kept beside them."""
    limit = rules(anonymous_id=KindRule(300))
    made = People(None, limit)
    told = [event(f"m{n}", email="e", anonymous_id=f"x{n}", at=n) for n in range(290)]
    made.feed(told)
    made.decide("keep_apart", ("email", "e"), ("anonymous_id", "x7"))
    made.feed(more := [event(f"n{n}", email="e", anonymous_id=f"y{n}", at=n) for n in range(20)])
    wanted = expected([*told, *more], limit, [(("email", "e"), ("anonymous_id", "x7"))])
    assert len(made.states()) == len(wanted)
    largest = max(made.profiles, key=lambda one: made.profile(one).count)
    assert made.profile(largest).counts() == {"email": 1, "anonymous_id": 300}


def test_who_is_shared_by_a_void_alias_is_shared_no_more() -> None:
    """Of two devices that an address stands for one turns out to be a user id."""
    one_each = rules("anonymous_id", anonymous_id=KindRule(1))
    made = People(None, one_each)
    told = [
        event("1", type="alias", email="e", previous_id="x"),
        event("2", type="alias", email="e", previous_id="y", at=1),
    ]
    made.feed(told)
    assert len(made.states()) == 3
    made.feed(first := [event("3", user_id="x", at=2)])
    assert content(made.told()) == expected([*told, *first], one_each)
    assert len(made.states()) == 2


KINDS = kinds(user_id="AB", email="efgh", loyalty_card="xyz", device_id="tuv")
links = st.lists(st.tuples(st.sampled_from("ABefghxyztuv"), st.sampled_from("ABefghxyztuv")))
limits = st.none() | st.integers(1, 3)


@given(links, limits, limits, limits)
def test_nobody_has_more_than_the_rules_allow(
    told: list[tuple[str, str]], mails: int | None, cards: int | None, devices: int | None
) -> None:
    some = rules(email=KindRule(mails), loyalty_card=KindRule(cards), device_id=KindRule(devices))
    found = resolve(KINDS, told, (), Terms(some))
    assert sorted(one for group in found.groups for one in group) == sorted(KINDS)
    of = {one: group for group in found.groups for one in group}
    users = 2 if any(set(link) == {"A", "B"} for link in told) else 1
    for group in found.groups:
        for kind, most in {**some.limits, "user_id": users}.items():
            assert sum(KINDS[one] == kind for one in group) <= most
    assert all(of[one] == {one} for one in found.shared)
    # Who is no part of anything that had too many is as without limits.
    free = resolve(KINDS, told, found.shared)
    for group in free.groups:
        if not group & found.contested:
            assert group in found.groups
