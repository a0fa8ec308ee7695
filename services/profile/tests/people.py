"""Events for the tests, and what they have to amount to: computed at once from all of them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st
from services.profile.tests.follower import Known, state

from rapport_common.events.contact import email_address
from rapport_common.events.envelope import Event, Identifier
from rapport_common.events.envelope_v1 import named
from rapport_common.testing.credentials import EVENT_KEY
from rapport_profile.domain.consent_rules import ConsentRules, PurposeRule
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.identity import resolve
from rapport_profile.domain.limits import Terms
from rapport_profile.domain.merge_rules import (
    NO_RULES,
    KindRule,
    MaxNew,
    MergeRules,
    RuleBook,
    Rules,
    checked,
)
from rapport_profile.domain.naming import Ids, Names, Naming
from rapport_profile.domain.trait_rules import TraitRule, TraitRules

IDS = Ids(EVENT_KEY)
START = datetime(2026, 1, 1, tzinfo=UTC)
JOINED = (START + timedelta(minutes=9), "join", "operator")
"""The evidence of an operator's word that two are one person."""
Content = set[bytes]


def event(message_id: str, /, **fields: Any) -> Event:
    """An event; `at` and `received` in minutes, `said` for the properties, `traits` as a dict.

    It is received a second after it happened, unless `received` says otherwise.
    """
    minutes = fields.pop("at", 0)
    received = fields.pop("received", minutes + 1 / 60)
    said, traits = fields.pop("said", {}), fields.pop("traits", {})
    if isinstance(stated := traits.get("email"), str) and fields.get("type") == "identify":
        # As the door does.
        fields.setdefault("email", email_address(stated))
    names = named(*(fields.pop(kind, None) for kind in ("user_id", "email", "anonymous_id")))
    return Event(
        workspace="w",
        source=fields.pop("source", "shop"),
        message_id=message_id,
        type=fields.pop("type", "track"),
        identifiers=fields.pop("identifiers", names),
        timestamp=START + timedelta(minutes=minutes),
        received_at=START + timedelta(minutes=received),
        properties=msgspec.Raw(msgspec.json.encode(said)),
        traits=msgspec.Raw(msgspec.json.encode(traits)),
        currency=fields.pop("currency", "USD"),
        **fields,
    )


times = st.integers(0, 5).map(lambda n: 12 * 60 * n)
"""Minutes; half days, for rules that speak of days."""


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Few identifiers and few message ids, so that everything collides with everything."""
    ids = {
        "user_id": draw(st.sampled_from([None, "A", "B", "C", "x"])),
        "email": draw(st.sampled_from([None, "e1", "e2"])),
        "anonymous_id": draw(st.sampled_from([None, "x", "y", "z"])),
    }
    if not any(ids.values()):
        ids["anonymous_id"] = "y"
    kinds = ["track", "identify", "alias", "restraint", "rectification", "consent", "point"]
    kind = draw(st.sampled_from(kinds))
    told = {
        "restraint": restraints,
        "rectification": rectifications,
        "consent": consents,
        "point": points,
    }
    if kind in told:
        return draw(told[kind](ids))
    fields: dict[str, Any] = {"type": kind, "at": draw(times), **ids}
    if kind == "alias":
        fields["previous_id"] = draw(st.sampled_from(["x", "y", "A", "B"]))
        fields["trust"] = draw(st.sampled_from(["trusted", "public"]))
    elif kind == "identify":
        name, value = draw(st.sampled_from("pq")), draw(st.sampled_from([1, 2.5, "a", "3", None]))
        once = draw(st.sampled_from([False, False, True]))
        fields["traits"] = {"$set_once": {name: value}} if once else {name: value}
    else:
        fields["name"] = draw(st.sampled_from(["Order Completed", "Case Opened", "Case Closed"]))
        fields["said"] = {"total": draw(st.integers(0, 9)), "case_id": "c"}
    return event(draw(st.sampled_from([f"m{n}" for n in range(12)])), **fields)


trait_rules = st.sampled_from(
    [
        TraitRule(),
        TraitRule("first"),
        TraitRule("priority", sources=("shop",)),
        TraitRule("max"),
        TraitRule("min", "number"),
        TraitRule("union"),
        TraitRule("removed"),
        TraitRule(type="text"),
    ]
)


@st.composite
def restraints(draw: st.DrawFn, ids: dict[str, str | None]) -> Event:
    """What an operator says is not to be done with somebody's data, or may be done again."""
    return event(
        draw(st.sampled_from([f"r{n}" for n in range(6)])),
        source="profile",
        at=draw(times),
        name=draw(st.sampled_from(["Restraint Set", "Restraint Set", "Restraint Lifted"])),
        said={
            "restraint_id": draw(st.sampled_from("ab")),
            "restraint": draw(st.sampled_from(["processing", "marketing"])),
        },
        **ids,
    )


limits = st.sampled_from(
    [
        *((most, None) for most in (None, 1, 2)),
        *((None, MaxNew(count, days)) for count in (1, 2) for days in (1, 2)),
        (2, MaxNew(1, 1)),
        (3, MaxNew(1, 2)),
    ]
)
"""(so many of a kind at most, so many new ones within some days)"""


@st.composite
def rectifications(draw: st.DrawFn, ids: dict[str, str | None]) -> Event:
    """What an operator has put right of somebody, or lets sources say again."""
    lifted = draw(st.sampled_from([False, False, True]))
    value = draw(st.sampled_from([7, "right", None]))
    point = draw(st.sampled_from([{}, {"email": "right@example.com"}, {"email": None}]))
    right = {"traits": {draw(st.sampled_from("pq")): value}, "contact_points": point}
    return event(
        draw(st.sampled_from([f"c{n}" for n in range(6)])),
        source="profile",
        at=draw(st.integers(0, 5)),
        name="Rectification Lifted" if lifted else "Rectification Set",
        said={"rectification_id": draw(st.sampled_from("ab")), **({} if lifted else right)},
        **ids,
    )


@st.composite
def points(draw: st.DrawFn, ids: dict[str, str | None]) -> Event:
    """What campaign, or an operator, knows of a contact point."""
    source, name, more = draw(
        st.sampled_from(
            [
                ("campaign", "Email Bounced", {"class": "hard"}),
                ("campaign", "Email Complained", {}),
                ("profile", "Contact Point Cleared", {}),
            ]
        )
    )
    address = draw(st.sampled_from(["right@example.com", "ada@example.com"]))
    return event(
        draw(st.sampled_from([f"{source}{n}" for n in range(6)])),
        source=source,
        at=draw(times),
        name=name,
        said={"channel": "email", "contact_point": address, **more},
        **ids,
    )


@st.composite
def consents(draw: st.DrawFn, ids: dict[str, str | None]) -> Event:
    """A word on a consent, of a page or of a mail, with an end or without."""
    said = {
        "channel": "email",
        "purpose": draw(st.sampled_from(["promotion", "survey"])),
        "contact_point": "ada@example.com",
        "state": draw(st.sampled_from(["granted", "granted", "denied"])),
        "method": draw(st.sampled_from(["form", "double_opt_in"])),
    }
    if draw(st.booleans()):
        said["expires_at"] = (START + timedelta(minutes=3)).isoformat()
    return event(
        draw(st.sampled_from([f"m{n}" for n in range(12)])),
        name="Consent Updated",
        at=draw(st.integers(0, 5)),
        trust=draw(st.sampled_from(["trusted", "public"])),
        said=said,
        **ids,
    )


@st.composite
def rule_sets(draw: st.DrawFn) -> Rules:
    """Rules for the identifiers of `events` and `visits`; for traits and consents of `events`."""
    joins = st.sampled_from([True, True, True, False])
    kinds = {}
    for one in ("email", "anonymous_id"):
        most, new = draw(limits)
        kinds[one] = KindRule(most, draw(joins), new)
    order = draw(st.sampled_from([(), (), ("email",), ("anonymous_id",)]))
    blocked = draw(st.dictionaries(st.sampled_from(["anonymous_id", "user_id"]), some("xyAB")))
    traits = draw(st.dictionaries(st.sampled_from("pq"), trait_rules, max_size=2))
    needs = st.builds(PurposeRule, double_opt_in=st.booleans(), days=st.sampled_from([None, 1]))
    purposes = draw(st.dictionaries(st.sampled_from(["promotion", "survey"]), needs))
    merging = checked(MergeRules(order, kinds, blocked))
    return Rules(merging, TraitRules(traits), consents=ConsentRules(purposes))


def some(values: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Some of these values."""
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


def content(states: Iterable[Known]) -> Content:
    """What is known, without ids and versions, which may differ."""
    return {msgspec.json.encode(one) for one in states}


def counting(history: Iterable[Event]) -> dict[str, Event]:
    """Of copies of a message the one that counts, by message id."""
    found: dict[str, Event] = {}
    for one in history:
        known = found.get(one.message_id)
        if known is None or content_hash(one) < content_hash(known):
            found[one.message_id] = one
    return found


def _users(named: Iterable[Naming], joined: Iterable[tuple[Identifier, Identifier]]) -> set[str]:
    """The values that are known as user ids, by events or by operators."""
    found = [identifier for who in named for identifier in (who.hub, *who.others)]
    found += [identifier for pair in joined for identifier in pair]
    return {value for kind, value in found if kind == "user_id"}


def expected(
    history: Sequence[Event],
    rules: Rules = NO_RULES,
    apart: Collection[tuple[Identifier, Identifier]] = (),
    joined: Collection[tuple[Identifier, Identifier]] = (),
    cuts: Collection[str] = (),
) -> Content:
    """The profiles that these events amount to, whatever their order.

    `apart` and `joined` are pairs that an operator keeps apart, or has joined; `cuts` the message
    ids of events that say nothing of who is who.
    """
    names_of = Names(IDS, RuleBook({"w": rules}), {("w", "shop", one) for one in cuts}).of
    counted = counting(history)
    users = _users(filter(None, map(names_of, counted.values())), joined)
    names: dict[str, tuple[str, str]] = {}
    folded: dict[str, list[Event]] = {}
    links: dict[tuple[str, str], tuple[datetime, str, str]] = {}
    for one in counted.values():
        who = names_of(one)
        assert who is not None
        others = list(who.others)
        if who.previous is not None and who.previous[1] not in users:
            others.append(who.previous)
        if who.renamed is not None and who.renamed[1] in users:
            others.append(who.renamed)
        for identifier in [who.hub, *others]:
            names[IDS.of("w", identifier)] = identifier
        hub = IDS.of("w", who.hub)
        folded.setdefault(hub, []).append(one)
        evidence = (one.timestamp, one.message_id, one.source)
        for other in others:
            link = (hub, IDS.of("w", other))
            links[link] = min(links.get(link, evidence), evidence)
    for first, second in joined:
        names |= {IDS.of("w", identifier): identifier for identifier in (first, second)}
        a, b = sorted((IDS.of("w", first), IDS.of("w", second)))
        links[a, b] = min(links.get((a, b), JOINED), JOINED)
    kinds = {one: identifier[0] for one, identifier in names.items()}
    pairs = [(IDS.of("w", first), IDS.of("w", second)) for first, second in apart]
    ordered = sorted(links, key=lambda link: (links[link], link))
    folds = {one: fold_all(some, rules.judge) for one, some in folded.items()}
    times = {link: evidence[0] for link, evidence in links.items()}
    groups = resolve(kinds, ordered, (), Terms(rules, pairs, times)).groups
    return content(
        state((names[one] for one in group), merge(folds[one] for one in group if one in folds))
        for group in groups
    )


def voided_aliases() -> dict[str, list[list[Event]]]:
    """Batches by what they tell of: an alias takes "B" for a device, then a user has this id.

    By rules of at most one device, which is stronger than an address.
    """
    return {
        "shared before": [
            [event("1", user_id="A", email="e"), event("2", user_id="C", email="e")],
            [event("3", type="alias", email="e", previous_id="B"), event("4", user_id="B")],
            [event("5", email="e", anonymous_id="x")],
        ],
        "shared by the alias alone": [
            [event("1", email="e", anonymous_id="x")],
            [event("2", type="alias", email="e", previous_id="B")],
            [event("3", user_id="B")],
            [event("4", email="e", anonymous_id="x")],
        ],
    }
