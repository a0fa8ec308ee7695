"""Nobody is taken for somebody else: what is shared, handed on, mistyped or empty joins no people.

Each story is told in many orders and batches; the people are the same in all of them, and as few as
they should be: who is one person stays so.
"""

import random
from typing import NamedTuple

import pytest
from services.profile.tests.people import IDS, content, event, expected
from services.profile.tests.stored import People, W

from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.merge_rules import NO_RULES, KindRule, MaxNew, MergeRules, Rules
from rapport_profile.domain.naming import naming

DAY = 24 * 60
"""In minutes."""
ORDERS = 25

Groups = set[frozenset[str]]


class Story(NamedTuple):
    """Events, under which rules, and who is one person then: by the values of identifiers."""

    rules: Rules
    told: list[Event]
    people: Groups


def rules(
    *order: str, blocked: dict[str, tuple[str, ...]] | None = None, **kinds: KindRule
) -> Rules:
    return Rules(MergeRules(order, kinds, blocked or {}))


def new(count: int, days: int, most: int | None = None) -> KindRule:
    return KindRule(most, max_new=MaxNew(count, days))


def said(day: float, *names: Identifier) -> Event:
    """An event that names these, on a day."""
    ids = [(kind, f"{value}@example.com" if kind == "email" else value) for kind, value in names]
    return event(f"{day} {names}", identifiers=ids, at=int(day * DAY))


def user(value: str) -> Identifier:
    return "user_id", value


def mail(value: str) -> Identifier:
    return "email", value


def card(value: str) -> Identifier:
    return "loyalty_card", value


def device(value: str) -> Identifier:
    return "device_id", value


def visitor(value: str) -> Identifier:
    return "anonymous_id", value


def phone(value: str) -> Identifier:
    return "phone", value


NUMBER = "+491705861234"


def each(*groups: str) -> Groups:
    """People, each by the words of a line."""
    return {frozenset(one.split()) for one in groups}


HOUSEHOLD = Story(
    NO_RULES,
    [
        said(0, user("ada"), mail("home"), device("tablet")),
        said(1, user("bob"), mail("home"), device("tablet")),
        said(2, user("ada"), visitor("adas-phone")),
        said(3, visitor("bobs-phone"), user("bob")),
        said(4, device("tablet"), visitor("sofa")),
    ],
    each("ada adas-phone", "bob bobs-phone", "home", "tablet", "sofa"),
)
CARDS_OF_A_HOUSEHOLD = Story(
    rules("loyalty_card", loyalty_card=KindRule(1)),
    [
        said(0, card("c1"), mail("home")),
        said(1, card("c2"), mail("home")),
        said(2, card("c1"), device("d1")),
        said(3, mail("home"), device("d2")),
    ],
    each("c1 d1", "c2", "home", "d2"),
)
SHOP_TABLET = Story(
    rules(email=new(3, 30)),
    [
        *(said(n, mail(f"m{n}"), device("tablet")) for n in range(12)),
        *(said(20 + n, mail(f"m{n}"), visitor(f"v{n}")) for n in range(12)),
    ],
    each("tablet", *(f"m{n} v{n}" for n in range(12))),
)
SLOW_TABLET = Story(
    # One customer in two months never is too many at once: for that there is the other limit.
    rules(email=new(3, 30, most=5)),
    [said(60 * n, mail(f"m{n}"), device("tablet")) for n in range(8)],
    each("tablet", *(f"m{n}" for n in range(8))),
)
RECYCLED_PHONE = Story(
    NO_RULES,
    [
        said(0, user("ada"), phone(NUMBER)),
        said(900, user("bob"), phone(NUMBER)),
        said(901, phone(NUMBER), visitor("v")),
        said(902, user("bob"), visitor("bobs")),
    ],
    each("ada", "bob bobs", NUMBER, "v"),
)
RECYCLED_WITHOUT_ACCOUNTS = Story(
    rules("loyalty_card", loyalty_card=KindRule(1)),
    [
        said(0, card("c1"), phone(NUMBER)),
        said(1, card("c1"), device("d1")),
        said(900, card("c2"), phone(NUMBER)),
        said(901, card("c2"), device("d2")),
    ],
    each("c1 d1", "c2 d2", NUMBER),
)
AGENTS_ADDRESS = Story(
    NO_RULES,
    [
        *(said(n, user(f"u{n}"), mail("agent")) for n in range(10)),
        *(said(20 + n, user(f"u{n}"), visitor(f"v{n}")) for n in range(10)),
        said(40, mail("agent"), device("headset")),
    ],
    each("agent", "headset", *(f"u{n} v{n}" for n in range(10))),
)
AGENTS_ADDRESS_ON_CARDS = Story(
    # A person has two cards a year, an agent fills in thirty forms a day.
    rules("loyalty_card", loyalty_card=new(2, 365)),
    [
        *(said(n / 10, card(f"c{n}"), mail("agent")) for n in range(10)),
        *(said(20 + n, card(f"c{n}"), visitor(f"v{n}")) for n in range(10)),
        said(0, card("mine"), mail("ada")),
        said(500, card("next"), mail("ada")),
        said(1000, card("third"), mail("ada")),
    ],
    each("agent", "mine next third ada@", *(f"c{n} v{n}" for n in range(10))),
)
NULL_IDS = Story(
    NO_RULES,
    [
        said(0, user("ada"), visitor("null")),
        said(1, user("undefined"), visitor("v1")),
        said(2, user("bob"), device("0")),
        said(3, user("guest"), visitor("v2")),
        said(4, user("N/A"), phone("000000"), visitor("v3")),
    ],
    each("ada", "bob", "v1", "v2", "v3"),
)
KIOSK = Story(
    rules(device_id=KindRule(joins=False), blocked={"anonymous_id": ("hall",)}),
    [
        *(said(n, mail(f"m{n}"), device("kiosk"), visitor("hall")) for n in range(5)),
        *(said(9, one) for one in (device("kiosk"), visitor("hall"))),
    ],
    each("kiosk", "hall", *(f"m{n}" for n in range(5))),
)
YEARS = Story(
    # Who clears the cookies every week for five years is one person, of whom a till is not made.
    rules(anonymous_id=new(5, 7), phone=new(3, 365)),
    [
        *(said(7 * n, mail("ada"), visitor(f"v{n}")) for n in range(60)),
        *(said(200 * n, mail("ada"), phone(f"{NUMBER[:-1]}{n}")) for n in range(5)),
    ],
    each(
        " ".join(["ada@", *(f"v{n}" for n in range(60)), *(f"{NUMBER[:-1]}{n}" for n in range(5))]),
    ),
)
A_FLOOD = Story(
    # The first five are hers; what else came that week is nobody's, and next week's are again.
    rules(anonymous_id=new(5, 7)),
    [
        *(said(n / 100, user("ada"), visitor(f"v{n}")) for n in range(30)),
        *(said(8 + n, user("ada"), visitor(f"w{n}")) for n in range(3)),
    ],
    each("ada v0 v1 v2 v3 v4 w0 w1 w2", *(f"v{n}" for n in range(5, 30))),
)
STORIES = {
    "household": HOUSEHOLD,
    "cards of a household": CARDS_OF_A_HOUSEHOLD,
    "shop tablet": SHOP_TABLET,
    "slow shop tablet": SLOW_TABLET,
    "recycled phone": RECYCLED_PHONE,
    "recycled phone without accounts": RECYCLED_WITHOUT_ACCOUNTS,
    "agent's address": AGENTS_ADDRESS,
    "agent's address on cards": AGENTS_ADDRESS_ON_CARDS,
    "null ids": NULL_IDS,
    "kiosk": KIOSK,
    "years": YEARS,
    "flood": A_FLOOD,
}


def groups(made: People) -> Groups:
    """The values of the identifiers of each person; of addresses the mailbox."""
    found: dict[str, set[str]] = {}
    for row in made.rows.values():
        if row.profile is not None:
            found.setdefault(row.profile, set()).add(row.value.removesuffix("@example.com"))
    return set(map(frozenset, found.values()))


@pytest.mark.parametrize("name", STORIES)
def test_who_is_who_in_any_order_and_batching(name: str) -> None:
    some, told, people = STORIES[name]
    wanted = {frozenset(value.removesuffix("@") for value in group) for group in people}
    for seed in range(ORDERS):
        chance = random.Random(seed)
        rest = list(told) if not seed else chance.sample(told, len(told))
        rest += chance.sample(told, len(told) // 3)
        made = People(None, some)
        while rest:
            size = chance.choice([1, 3, len(told)])
            made.feed(rest[:size])
            rest = rest[size:]
        assert groups(made) == wanted
        assert content(made.told()) == expected(told, some)
    assert made.rebuild(7) == 0


@pytest.mark.parametrize(
    "value", ["null", "undefined", "0", "guest", "N/A", "none", "-1", "unknown", "anonymous"]
)
def test_what_stands_for_nobody_names_nobody(value: str) -> None:
    kinds = ("user_id", "anonymous_id", "device_id", "loyalty_card")
    assert naming(event("1", identifiers=[(kind, value) for kind in kinds])) is None


def test_a_rule_takes_the_customers_of_a_till_apart_who_were_one_person() -> None:
    """And nothing of theirs is lost or mixed: each has what was said under each address."""
    some, told, _people = SHOP_TABLET
    made = People(None, NO_RULES)
    made.feed(told)
    assert len(groups(made)) == 1
    made.hold(some)
    made.rebuild(5)
    assert content(made.states()) == content(made.told()) == expected(told, some)
    assert made.rows[IDS.of(W, device("tablet"))].shared
    made.hold(NO_RULES)
    made.rebuild(5)
    assert len(groups(made)) == 1
    assert content(made.states()) == content(made.told()) == expected(told)
