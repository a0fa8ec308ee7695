"""What small rules say, each by itself: receipts, words that operators note, who set a trait."""

from datetime import timedelta

import msgspec
import pytest
from services.profile.tests.grouped import joined
from services.profile.tests.people import IDS, START, event
from services.profile.tests.stored import People, W

from rapport_profile.domain import trait_rules
from rapport_profile.domain.correcting import correction, written
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.groups.facts import fact_of
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.merge_rules import NO_RULES
from rapport_profile.domain.naming import RENAMED
from rapport_profile.domain.own_events import POINT_CLEARED, cleared, noted
from rapport_profile.domain.receipts import Answer, Wish, added, claims, last_copy_expires
from rapport_profile.domain.republished import event_again
from rapport_profile.domain.revising import Revising
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.telling import traits_said
from rapport_profile.domain.trait_rules import TraitRule, TraitRules

ANSWERS = {
    one: Answer(one, START + timedelta(hours=hours), hours, {f"{one}.rows": hours})
    for one, hours in (("segment", 2), ("profile", 1))
}


def test_a_receipt_says_when_the_last_copy_is_gone_and_names_nobody() -> None:
    wish = Wish("r-1", W, START - timedelta(days=1), 3)
    told = claims(wish, ANSWERS, timedelta(hours=72))
    assert last_copy_expires(ANSWERS, timedelta(hours=72)) == START + timedelta(hours=74)
    assert told["stores_clean_at"] == "2026-01-01T02:00:00.000Z"
    assert told["last_copy_expires_at"] == "2026-01-04T02:00:00.000Z"
    assert told["received_before"] == "2025-12-31T00:00:00.000Z"
    assert list(told["services"]) == ["profile", "segment"]
    assert told["services"]["segment"]["rows"] == 2
    assert (told["sub"], told["identifiers"]) == ("r-1", 3)


def test_a_service_that_answers_in_portions_is_clean_when_all_are() -> None:
    later, sooner = START + timedelta(hours=2), START + timedelta(hours=1)
    portions = [Answer("s", later, 5, {"a": 2, "b": 3}), Answer("s", sooner, 4, {"b": 4})]
    assert added(portions) == Answer("s", later, 9, {"a": 2, "b": 7})


def test_what_an_operator_notes_leaves_out_what_has_no_value() -> None:
    said = {"state": "denied", "reason": None}
    told = noted(W, ("user_id", "A"), "m", START, said)
    assert (told.name, told.identifiers) == ("Consent Updated", [("user_id", "A")])
    assert bytes(told.properties) == b'{"state":"denied"}'


def test_traits_that_are_said_once_are_marked() -> None:
    said = {"p": 1, "q": 2, "$set_once": {"q": 3, "r": 4}}
    told = traits_said(event("1", type="identify", user_id="A", traits=said))
    assert {name: (bytes(value), once) for name, (value, once) in told.items()} == {
        "p": (b"1", False),
        "q": (b"2", False),
        "r": (b"4", True),
    }
    assert traits_said(event("2", user_id="A", traits=said)) == {}


def test_who_made_a_trait_what_it_is_is_known_of_lists_too() -> None:
    rules = trait_rules.TraitJudge(TraitRules({"l": TraitRule("union")}))
    told = [
        event(str(n), type="identify", user_id="A", traits={"l": [n], "p": n}, at=n)
        for n in range(3)
    ]
    traits = fold_all(told, Judge(rules)).traits
    stamps = [Stamp(one.timestamp, one.message_id, one.source, one.sequence) for one in told]
    assert [traits["l"].is_by(one) for one in stamps] == [True, True, True]
    assert [traits["p"].is_by(one) for one in stamps] == [False, False, True]


def test_so_many_traits_can_be_declared_and_no_more() -> None:
    many = {f"t{n}": TraitRule() for n in range(trait_rules.MAX_DECLARED + 1)}
    with pytest.raises(RulesError, match="can be declared"):
        trait_rules.checked(TraitRules(many))


def test_a_contact_point_is_put_right_by_what_is_one_or_by_nothing() -> None:
    found = correction("c", written({"email": None, "p": 1}), NO_RULES.judge.traits)
    assert found.contact_points == {"email": None}
    with pytest.raises(RulesError, match="one address of somebody"):
        correction("c", written({"email": 7}), NO_RULES.judge.traits)


@pytest.mark.parametrize("kind", [None, 7, "no kind!", "Company"])
def test_a_groups_kind_is_a_word_or_the_usual_one(kind: object) -> None:
    said = joined("1", "acme", user_id="A", kind=kind)  # type: ignore[arg-type] # what comes in
    found = fact_of(said, ("user_id", "A"))
    assert (found and found.kind) == {None: "company", "Company": "company"}.get(kind)  # type: ignore[call-overload,unused-ignore]


@pytest.mark.parametrize("key", ["\ud800", "x" * 5_000, "0", "", "nul\0"])
def test_a_groups_key_is_a_name_that_can_be_kept(key: str) -> None:
    said = joined("1", "acme", user_id="A")
    assert fact_of(said, ("user_id", "A")) is not None
    assert fact_of(joined("1", key, user_id="A"), ("user_id", "A")) is None


def test_an_operators_word_that_a_point_takes_messages_again_names_the_point() -> None:
    said = {"channel": "email", "contact_point": "a@example.com", "operator": "ann"}
    told = cleared(W, ("email", "a@example.com"), "m-1", START, said)
    assert (told.name, told.message_id, told.timestamp) == (POINT_CLEARED, "m-1", START)
    assert told.identifiers == [("email", "a@example.com")]
    assert msgspec.json.decode(told.properties) == said


def test_that_a_user_was_renamed_is_void_while_nobody_knows_the_former_id() -> None:
    """As it is where the event is taken in that says so."""
    made = People()
    alias = event("1", type="alias", user_id="new", previous_id="old")
    made.feed([alias])
    key = (IDS.of(W, ("user_id", "new")), IDS.of(W, ("user_id", "old")), RENAMED)
    assert made.links[key][1]
    working = Revising(IDS, lambda: "id")
    for end in key[:2]:
        working.add_node(made.node(end))
    assert working._is_void(key)


def test_an_event_told_again_names_its_identifier_where_that_is_not_the_first() -> None:
    order = event("1", name="Order Completed", user_id="U", email="u@example.com")
    first, second = order.identifiers
    told = event_again("p", 7, order, first, 0)
    assert (told.profile_id, told.version, told.event, told.hub) == ("p", 7, order, None)
    assert (told.republished, told.versions) == (True, None)
    other = event_again("p", 7, order, second, 2)
    assert (other.hub, other.replaced) == (second, 2)
