"""Groups without a database: what events say, who is in what, and which traits count."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.grouped import Part, joined, left, parts, words
from services.profile.tests.people import IDS, START, event

from rapport_profile.domain.groups import membership
from rapport_profile.domain.groups.facts import GroupFact, fact_of, kind_and_key
from rapport_profile.domain.groups.kinds import GroupKind, GroupRules, checked
from rapport_profile.domain.groups.membership import Word, memberships, surplus
from rapport_profile.domain.groups.told import news, told_of
from rapport_profile.domain.groups.traits import Statement, folded, visible
from rapport_profile.domain.naming import Names
from rapport_profile.domain.recounting import Page
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.trait_rules import TraitRule
from rapport_profile.domain.traits import Trait
from rapport_profile.handlers.group_facts import group_id_of

USER = ("user_id", "A")
kinds = st.builds(
    GroupKind,
    st.sampled_from([None, 1, 2]),
    st.sampled_from(["nothing", "membership", "everything"]),
)


def fact(one: Any, hub: tuple[str, str] = USER) -> GroupFact:
    found = fact_of(one, hub)
    assert found is not None
    return found


def word(one: Any) -> Word | None:
    """The word of an event, as it is stored."""
    hub = one.strongest()
    found = fact_of(one, hub)
    if found is None or found.verb == "said":
        return None
    return Word(
        group_id_of(IDS, "w", found.kind, found.key),
        found.kind,
        found.key,
        found.verb,
        found.stamp,
        found.is_trusted,
        found.role,
        IDS.of("w", hub),
    )


def test_a_group_call_says_who_is_in_it_and_what_it_is_like() -> None:
    said = fact(joined("1", " acme ", user_id="A", role="owner", traits={"plan": "pro"}))
    assert (said.kind, said.key, said.verb, said.role) == ("company", "acme", "in", "owner")
    assert said.traits == {"plan": msgspec.Raw(b'"pro"')}
    assert said.is_trusted
    assert not fact(joined("1", "acme", user_id="A", trust="public")).is_trusted


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "company"),
        ({"traits": {"groupType": "House Hold"}}, "house_hold"),
        ({"traits": {"group_type": "team"}}, "team"),
        ({"said": {"$group_type": "Organization"}}, "organization"),
        ({"context": msgspec.Raw(b'{"groupType": "team"}'), "traits": {"groupType": "x"}}, "team"),
    ],
)
def test_the_kind_is_stated_in_one_of_several_places(fields: dict[str, Any], kind: str) -> None:
    assert fact(event("1", type="group", group_id="acme", user_id="A", **fields)).kind == kind


@pytest.mark.parametrize(
    "bad",
    [
        event("1", type="group", user_id="A"),
        event("1", type="group", group_id="undefined", user_id="A"),
        event("1", type="group", group_id="g" * 513, user_id="A"),
        joined("1", "acme", kind="1st!", user_id="A"),
        event("1", type="group", group_id="a", traits={"groupType": "é"}, user_id="A"),
        event("1", name="Group Left", user_id="A"),
        event("1", name="Group Left", said={"groupId": ["a", "b"]}, user_id="A"),
        event("1", name="Group Left", said={"groupId": True}, user_id="A"),
        event("1", name="Order Completed", said={"groupId": "a"}, user_id="A"),
        event("1", type="page", name="Group Left", said={"groupId": "a"}, user_id="A"),
        event("1", user_id="A"),
    ],
)
def test_what_names_no_group_says_nothing(bad: Any) -> None:
    assert fact_of(bad, USER) is None


def test_what_is_no_object_or_too_long_says_nothing_of_traits() -> None:
    plain = joined("1", "acme", user_id="A")
    for traits in (b"[1]", b'{"a": "' + b"x" * 40_000 + b'"}'):
        told = msgspec.structs.replace(plain, traits=msgspec.Raw(traits))
        assert (fact(told).traits, fact(told).verb) == (None, "in")
    strange = msgspec.structs.replace(plain, context=msgspec.Raw(b'{"groupType": {"a": 1}}'))
    assert fact(strange).kind == "company"


def test_joining_and_leaving_are_said_by_events_of_b2b_too() -> None:
    place = {"context": msgspec.Raw(b'{"groupId": 12}'), "user_id": "A"}
    added = fact(event("1", name="Account Added User", said={"role": "admin"}, **place))
    assert (added.key, added.verb, added.role, added.traits) == ("12", "in", "admin", None)
    removed = fact(event("2", name="Account Removed User", said={"role": "admin"}, **place))
    assert (removed.verb, removed.role) == ("out", None)
    assert fact(left("3", "acme", user_id="A")).verb == "out"


@pytest.mark.parametrize("stands_for", ["group-acme", "$company_acme"])
def test_who_stands_for_a_group_is_not_in_it(stands_for: str) -> None:
    told = joined("1", "acme", anonymous_id=stands_for, traits={"plan": "pro"})
    assert fact(told, ("anonymous_id", stands_for)).verb == "said"
    assert fact(told, ("anonymous_id", "x")).verb == "in"


@given(st.lists(words(), max_size=14), kinds, st.randoms(use_true_random=False))
def test_who_is_in_what_is_one_result_in_any_order(
    history: list[Any], rule: GroupKind, chance: Any
) -> None:
    said = {one.message_id: one for one in history}.values()
    found = [one for one in map(word, said) if one is not None]
    again = [*found, *found]
    chance.shuffle(again)
    ruled = GroupRules({"company": rule, "household": rule})
    now = [one for one in memberships(found, ruled) if one.left_at is None]
    assert memberships(dict.fromkeys(again), ruled) == memberships(found, ruled)
    for kind in ("company", "household"):
        heard = [one for one in found if one.kind == kind]
        if rule.public == "everything":
            heard = [one._replace(is_trusted=True) for one in heard]
        shown = {
            Part(one.key, one.since, one.role, one.is_verified) for one in now if one.kind == kind
        }
        assert shown == parts(heard, rule)
        assert len(shown) <= rule.most


def test_a_household_is_the_one_joined_last_and_what_was_left_is_told() -> None:
    said = [
        joined("1", "h1", "household", at=0, user_id="A"),
        joined("2", "h2", "household", at=1, user_id="A"),
        joined("3", "acme", at=1, user_id="A"),
        left("4", "acme", at=2, user_id="A"),
    ]
    found = memberships(filter(None, map(word, said)), GroupRules())
    told = {one.key: (one.left_at is None, one.moved) for one in found}
    assert told == {"h1": (False, True), "h2": (True, False), "acme": (False, False)}


def test_a_page_ends_and_displaces_nothing_that_a_server_says() -> None:
    said = [
        joined("1", "h1", "household", at=0, user_id="A"),
        joined("2", "h2", "household", at=1, user_id="A", trust="public"),
        left("3", "h1", "household", at=2, user_id="A", trust="public"),
    ]
    (now,) = memberships(filter(None, map(word, said)), GroupRules())
    assert (now.key, now.left_at, now.is_verified) == ("h1", None, True)


def test_a_page_that_says_so_after_a_server_has_ended_it_is_unverified() -> None:
    said = [
        joined("1", "g", at=0, user_id="A"),
        left("2", "g", at=1, user_id="A"),
        joined("3", "g", at=2, user_id="A", trust="public"),
    ]
    (now,) = memberships(filter(None, map(word, said)), GroupRules())
    assert (now.left_at, now.is_verified) == (None, False)


@given(st.lists(words(), max_size=25), st.randoms(use_true_random=False), st.integers(1, 8))
def test_words_give_way_alike_in_any_order(history: list[Any], chance: Any, most: int) -> None:
    said = {one.message_id: one for one in history}.values()
    whole = [one for one in map(word, said) if one is not None]
    whole = [one._replace(identifier_id="i") for one in whole]

    def kept(of: list[Word]) -> set[Word]:
        gone = surplus(of)
        return {one for one in of if one not in gone}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "MAX_WORDS", most)
        patch.setattr(membership, "ALWAYS_KEPT", 2)
        chance.shuffle(whole)
        piece = set[Word]()
        for one in whole:
            piece = kept([*piece, one])
        assert piece == kept(whole)
        assert len(piece) == min(most, len(whole))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("pq"), st.sampled_from([1, 2, "a"]))),
    st.randoms(use_true_random=False),
    st.sampled_from(["latest", "first", "max", "union", "removed"]),
)
def test_traits_are_one_result_in_any_order(said: Any, chance: Any, rule: Any) -> None:
    kind = GroupKind(traits={"p": TraitRule(rule)})
    told = [
        Statement(
            Stamp(event("x", at=at).timestamp, str(number), "shop"),
            {name: msgspec.Raw(msgspec.json.encode(value))},
        )
        for number, (at, name, value) in enumerate(said)
    ]
    whole = visible(folded({}, told, kind))
    chance.shuffle(told)
    half = len(told) // 2
    known = folded({}, told[:half], kind)
    assert visible(folded(known, told[half:], kind)) == whole
    assert visible(folded(known, told, kind)) == whole


def test_a_group_has_no_more_traits_than_a_person() -> None:
    stamps = [Stamp(event("x", at=at).timestamp, str(at), "shop") for at in range(30)]
    long = msgspec.Raw(b'"' + b"x" * 10_000 + b'"')
    told = [Statement(stamp, {stamp.message_id: long}) for stamp in stamps]
    kept = folded({}, told, GroupKind())
    assert sorted(map(int, kept)) == list(range(30 - len(kept), 30))
    assert 10 < len(kept) < 14


@pytest.mark.parametrize(
    ("kinds_", "where"),
    [
        ({"Company": GroupKind()}, "kinds.Company"),
        ({"team": GroupKind(max_per_person=0)}, "kinds.team.max_per_person"),
        ({"team": GroupKind(max_per_person=101)}, "kinds.team.max_per_person"),
        ({"team": GroupKind(description="\0")}, "kinds.team.description"),
        ({"team": GroupKind(traits={"": TraitRule()})}, "kinds.team.traits."),
        ({f"k{number}": GroupKind() for number in range(101)}, "kinds"),
    ],
)
def test_kinds_that_can_not_be_are_refused(kinds_: dict[str, GroupKind], where: str) -> None:
    with pytest.raises(RulesError) as refused:
        checked(GroupRules(kinds_))
    assert refused.value.where == where
    assert checked(GroupRules({"team": GroupKind(3)})).of("team").most == 3


def shown(*groups: tuple[str, str, dict[str, Any]], rules: GroupRules | None = None) -> Any:
    """What is told of somebody in these groups by kind: (kind, key, traits)."""
    told = all_told(*groups, rules=rules)
    return None if told is None else lists(told)


def all_told(*groups: tuple[str, str, dict[str, Any]], rules: GroupRules | None = None) -> Any:
    """The same, with the groups one by one."""
    said = [
        joined(str(at), key, kind, at=at, user_id="A") for at, (kind, key, _) in enumerate(groups)
    ]
    ruled = rules or GroupRules()
    traits = {
        group_id_of(IDS, "w", kind, key): {
            name: Trait(msgspec.Raw(msgspec.json.encode(value)), Stamp(START, "m", "shop"))
            for name, value in some.items()
        }
        for kind, key, some in groups
    }
    told = told_of(memberships(filter(None, map(word, said)), ruled), traits, ruled)
    return None if told is None else msgspec.json.decode(told)


def lists(told: dict[str, Any]) -> dict[str, Any]:
    """What is told by kind, without the groups one by one."""
    return {kind: one for kind, one in told.items() if kind != "*"}


def test_others_are_told_of_groups_by_kind() -> None:
    acme = {"plan": "pro", "address": {"city": "Bonn"}, "seats": 12}
    other = {"plan": "free", "seats": 12, "address": "Ulm"}
    home = {"size": 3, "id": "not this", "a": {"b": {"c": {"d": 1}}}}
    assert shown(("company", "acme", acme), ("household", "h", home)) == {
        "company": {"id": ["acme"], "plan": ["pro"], "address": {"city": ["Bonn"]}, "seats": [12]},
        "household": {"id": "h", "size": 3},
    }
    both = shown(("company", "acme", acme), ("company", "zeta", other))
    assert both["company"] == {
        "id": ["acme", "zeta"],
        "plan": ["free", "pro"],
        "seats": [12],
        "address": {"city": ["Bonn"]},
    }
    assert shown() is None


def test_each_group_is_told_by_itself_where_there_may_be_several() -> None:
    """Two lists don't say which of their elements belong to one group."""
    acme, zeta = {"plan": "pro", "at": {"city": "Bonn"}}, {"plan": "free", "note": "x" * 257}
    home = ("household", "h", {"size": 3})
    assert all_told(("company", "zeta", zeta), ("company", "acme", acme), home)["*"] == {
        "company": [{"id": "acme", **acme}, {"id": "zeta", "plan": "free"}]
    }
    assert "*" not in all_told(home)


def test_very_long_groups_are_told_as_lists_only() -> None:
    some: list[tuple[str, str, dict[str, Any]]] = [
        ("company", f"c{at}", {f"t{number}": f"x{at} " * 40 for number in range(50)})
        for at in range(10)
    ]
    assert "*" in all_told(*some[:4])
    told = all_told(*some)
    assert list(told) == ["company"]
    assert len(told["company"]["id"]) == 10


def test_addresses_and_what_is_long_are_not_told() -> None:
    hidden = {"contact": "ada@example.com", "phone": "+49 170 1234567", "list": [1], "none": None}
    long = {"text": "x" * 257, "name": "Acme 24601234 Ltd"}
    assert shown(("company", "acme", {**hidden, **long})) == {
        "company": {"id": ["acme"], "name": ["Acme 24601234 Ltd"]}
    }
    many: list[tuple[str, str, dict[str, Any]]] = [("company", f"c{at:03}", {}) for at in range(30)]
    assert len(shown(*many)["company"]["id"]) == 20


def test_what_only_a_page_says_is_not_told() -> None:
    said = word(joined("1", "acme", user_id="A", trust="public"))
    assert said is not None
    found = memberships([said], GroupRules())
    assert told_of(found, {said.group_id: {}}, GroupRules()) is None


def test_the_trait_is_told_by_profile_itself_and_taken_back() -> None:
    one = news("w", "p", USER, None, START)
    assert (one.source, one.type, one.identifiers) == ("profile", "identify", [USER])
    assert msgspec.json.decode(one.traits) == {"groups": None}


def test_a_group_is_named_by_kind_and_key() -> None:
    assert kind_and_key("House Hold", " 5 ") == ("house_hold", "5")
    assert kind_and_key("é", "5") is None
    assert kind_and_key("team", "null") is None


def test_a_context_that_is_no_object_says_nothing() -> None:
    told = msgspec.structs.replace(joined("1", "acme", user_id="A"), context=msgspec.Raw(b"[]"))
    assert fact(told).kind == "company"


def test_a_rebuild_reads_what_was_said_of_groups() -> None:
    hub = IDS.of("w", USER)
    page = Page("w", [hub])
    page.read(Names(IDS), hub, [joined("1", "acme", user_id="A"), event("2", user_id="A")])
    assert [(one.message_id, who) for one, who in page.said_of_groups] == [("1", hub)]


HOSTILE = [
    b'"\\ud800"',
    b'"\\u0000"',
    b"1e999999999",
    b"9" * 5000,
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'"\xff"',
    b"NaN",
    b"{",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_can_hardly_be_read_has_a_result(hostile: bytes) -> None:
    raw = msgspec.Raw(b'{"groupId": %s, "groupType": %s, "role": %s}' % ((hostile,) * 3))
    plain = event("1", name="Group Left", user_id="A")
    for place in ("properties", "context"):
        fact_of(msgspec.structs.replace(plain, **{place: raw}), USER)
        called = joined("1", "acme", user_id="A")
        fact_of(msgspec.structs.replace(called, **{place: raw}), USER)
    fact_of(msgspec.structs.replace(called, traits=raw), USER)
    said = word(joined("1", "acme", user_id="A"))
    assert said is not None
    traits = {"a": Trait(msgspec.Raw(hostile), Stamp(START, "m", "shop"))}
    told = told_of(memberships([said], GroupRules()), {said.group_id: traits}, GroupRules())
    assert told is not None
    assert msgspec.json.decode(told)["company"]["id"] == ["acme"]
