"""Words on consents: what holds, in any order and with ends, and what explains it."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.people import START, event

from rapport_common.events.consent import instant_of
from rapport_common.events.envelope import Client, Event, Provenance
from rapport_common.events.profile import ConsentState
from rapport_profile.domain.consent_facts import Fact, fact_of, joined
from rapport_profile.domain.consent_history import (
    covering,
    decided,
    explained,
    standing_at,
    states_at,
)
from rapport_profile.domain.consents import Consent, consent_key
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.own_events import expired

ADA = "ada@example.com"
SUBJECT = ("email", "promotion", ADA)
HERE = {("email", ADA)}


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def word(message: str, state: str = "granted", /, **fields: Any) -> Event:
    """A word; `ends` in minutes, `more` properties."""
    ends = fields.pop("ends", None)
    said = {
        "channel": "email",
        "purpose": fields.pop("purpose", "promotion"),
        "contact_point": ADA,
        "state": state,
        **fields.pop("more", {}),
    }
    if ends is not None:
        said["expires_at"] = at(ends).isoformat()
    return event(message, name="Consent Updated", user_id="U", said=said, **fields)


def fact(one: Event) -> Fact:
    found = fact_of(one, lambda ip: f"hash of {ip}")
    assert found is not None
    return found


def passed(one: Event) -> Event:
    """The event by which profile tells that the end of a word has come."""
    said = fact(one)
    assert said.expires_at is not None
    return expired("w", ("user_id", "U"), said.subject, said.expires_at, said.expires_at)


def held(fold: Fold) -> list[ConsentState]:
    return fold.consent_states()


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Words with times and ends that collide, and that some of the ends have come."""
    address = event("a", type="identify", user_id="U", traits={"email": ADA}, at=0)
    words = [
        word(
            f"m{number}",
            draw(st.sampled_from(["granted", "granted", "denied", "withdrawn"])),
            at=draw(st.integers(0, 4)),
            ends=draw(st.sampled_from([None, 2, 5, 9])),
            trust=draw(st.sampled_from(["trusted", "public"])),
            purpose=draw(st.sampled_from(["promotion", "survey"])),
        )
        for number in range(draw(st.integers(1, 6)))
    ]
    ended = [passed(one) for one in words if fact(one).expires_at is not None]
    chosen = draw(st.lists(st.sampled_from(ended), max_size=4)) if ended else []
    return [address, *words, *{one.message_id: one for one in chosen}.values()]


@given(histories(), st.randoms(use_true_random=False), st.integers(0, 6))
def test_what_holds_does_not_depend_on_order_nor_on_merges(
    history: list[Event], chance: Any, cut: int
) -> None:
    shuffled = list(history)
    chance.shuffle(shuffled)
    whole = held(fold_all(history))
    assert held(fold_all(shuffled)) == whole
    parts = [fold_all(shuffled[:cut]), fold_all(shuffled[cut:])]
    assert held(merge(parts)) == held(merge(reversed(parts))) == whole


@given(histories())
def test_an_end_gives_no_permission_and_takes_no_refusal_back(history: list[Event]) -> None:
    """Whatever is known of ends more, nobody is permitted more by it."""
    before = fold_all(one for one in history if one.name != "Consent Expired")
    allowed = {(one.purpose, one.confirmed) for one in held(before) if one.state == "granted"}
    refused = {one.purpose for one in held(before) if one.state != "granted"}
    after = held(fold_all(history))
    assert {(one.purpose, one.confirmed) for one in after if one.state == "granted"} <= allowed
    assert refused <= {one.purpose for one in after if one.state != "granted"}


@given(histories())
def test_facts_amount_to_what_the_fold_says(history: list[Event]) -> None:
    words = [one for one in history if one.name == "Consent Updated"]
    folded = fold_all(words).consents
    facts = [fact(one) for one in words]
    for subject in {one.subject for one in facts}:
        about = [one for one in facts if one.subject == subject]
        assert joined(about) == folded[consent_key(subject)]


@given(histories(), st.integers(5, 10))
def test_when_all_ends_are_told_the_fold_says_what_holds_at_that_time(
    history: list[Event], now: int
) -> None:
    words = [one for one in history if one.name == "Consent Updated"]
    ends = [passed(one) for one in words if (end := fact(one).expires_at) and end <= at(now)]
    told = {one.message_id: one for one in ends}.values()
    folded = fold_all([history[0], *words, *told])
    assert held(folded) == states_at(map(fact, words), at(now), "now", HERE)


def test_a_yes_for_a_time_ends_and_another_one_counts() -> None:
    yes = word("y", ends=5)
    (one,) = held(fold_all([yes]))
    assert (one.state, one.expires_at, one.expired) == ("granted", at(5), False)
    (over,) = held(fold_all([passed(yes), yes]))
    assert (over.state, over.at, over.expired) == ("withdrawn", at(5), True)
    renewed = word("r", at=3, ends=9)
    for history in itertools.permutations([yes, passed(yes), renewed]):
        (now,) = held(fold_all(history))
        assert (now.state, now.expires_at) == ("granted", at(9))
    no = word("n", "withdrawn", at=-5)
    (refused,) = held(fold_all([no, yes, passed(yes)]))
    assert (refused.state, refused.expired) == ("withdrawn", False), "the no holds again"


def test_a_pages_yes_does_not_come_back_when_a_later_one_ends() -> None:
    asked = word("p", trust="public")
    yes = word("y", at=1, ends=5)
    found = joined([fact(asked), fact(yes)]).word(reachable=True, at=at(6))
    assert found is not None
    assert found.expired


@pytest.mark.parametrize("end", ["soon", "2026-13-01", 7, True, "9999-12-31T23:59:59-23:00"])
def test_a_yes_whose_end_cannot_be_read_is_none(end: object) -> None:
    assert held(fold_all([word("y", more={"expires_at": end})])) == []


def test_an_end_is_a_time_or_a_day() -> None:
    assert instant_of("2026-01-01") == START
    assert instant_of("2026-01-01T01:00:00+01:00") == START
    assert instant_of("2026-01-01T00:00:00") == START


def test_only_profile_tells_of_ends() -> None:
    yes = word("y", ends=5)
    said = passed(yes)
    forged = event("f", name="Consent Expired", user_id="U", said={})
    for one in (forged, event("g", name="Consent Expired", user_id="U", said={"channel": 1})):
        assert held(fold_all([yes, one])) == held(fold_all([yes]))
    alone = fold_all([said])
    assert held(alone) == []
    assert alone.consents[consent_key(SUBJECT)].at == at(5)
    assert Consent().at < START


def test_a_word_is_kept_with_what_it_rests_on() -> None:
    more = {
        "wording_version": "2026-03",
        "legal_basis": "contract",
        "method": "operator",
        "actor": "ada",
        "reason": "phone",
        "evidence": "call 7" * 500,
        "ip_hash": "ab",
    }
    found = fact(word("y", more=more))
    assert (found.wording_version, found.legal_basis, found.ip_hash) == (
        "2026-03",
        "contract",
        "ab",
    )
    assert (found.texts["actor"], len(found.texts["evidence"])) == ("ada", 1000)
    public = fact(word("p", trust="public", more=more, client=Client(ip="10.0.0.1")))
    assert public.ip_hash == "hash of 10.0.0.1"
    assert fact(word("q", trust="public", more=more)).ip_hash is None
    bought = fact(word("b", provenance=Provenance(party="third", legal_basis="public_task")))
    assert bought.legal_basis == "public_task"
    assert fact(word("x", more={"legal_basis": "because"})).legal_basis is None
    for none in (event("t", user_id="U"), word("z", more={"contact_point": ""})):
        assert fact_of(none, str) is None


def test_a_page_does_not_say_who_of_our_staff_or_which_mail_has_proved_it() -> None:
    for method in ("operator", "preferences", "link", "double_opt_in"):
        more = {"method": method, "actor": "ada", "reason": "phone"}
        assert fact(word("p", trust="public", more=more)).texts == {"reason": "phone"}
        ours = fact(word("q", trust="public", source="campaign", more=more))
        assert ours.texts == more
        assert fact(word("r", more=more)).texts == more
    form = {"method": "form"}
    assert fact(word("s", trust="public", more=form)).texts == form


def test_what_held_by_what_was_known_then_and_by_what_is_known_now() -> None:
    yes = fact(word("y", at=0))
    late = fact(word("n", "withdrawn", at=5, received=60 * 24 * 3))
    for known, state in (("then", "granted"), ("now", "withdrawn")):
        (one,) = states_at([yes, late], at(10), known, HERE)  # type: ignore[arg-type]
        assert one.state == state
    assert states_at([yes, late], at(-1), "now", HERE) == []
    assert standing_at([yes, late], at(10), "then") == [yes]


def test_every_word_is_told_what_became_of_it() -> None:
    first = fact(word("1", at=0))
    asked = fact(word("2", at=1, trust="public"))
    over = fact(word("3", at=2, ends=4))
    no = fact(word("4", "withdrawn", at=6))
    to_all = fact(word("5", "denied", at=3, purpose="all"))
    later = fact(word("6", at=30))
    unknown = fact(word("7", "denied", at=7, received=60 * 48))
    facts = [first, asked, over, no, to_all, later, unknown]
    there = standing_at(facts, at(10), "then")
    held_by = {
        subject: joined([one for one in there if one.subject == subject])
        for subject in covering("email", "promotion", ADA)
    }
    answer = explained(held_by, facts, set(), at(10), "then")
    assert not answer.permitted
    assert answer.state is not None
    assert answer.state.state == "withdrawn"
    assert {one.fact.message_id: one.standing for one in answer.words} == {
        "1": "overtaken",
        "2": "no_contact_point",
        "3": "expired",
        "4": "decides",
        "5": "overtaken",
        "6": "not_said",
        "7": "not_known",
    }
    taken_back = explained({SUBJECT: joined([first, no])}, [first, no], HERE, at(10), "now")
    assert [one.standing for one in taken_back.words] == ["decides", "taken_back"]
    ended = explained({SUBJECT: joined([over])}, [over], HERE, at(10), "now")
    assert ([one.standing for one in ended.words], ended.permitted) == (["expired"], False)
    nothing = explained({}, [], HERE, at(10), "now")
    assert (nothing.permitted, nothing.state) == (False, None)


def test_of_words_to_one_and_to_all_the_later_counts_and_at_once_the_no() -> None:
    yes, every = fact(word("y", at=1)), fact(word("n", "denied", at=1, purpose="all", received=1))
    both = {one.subject: one.consent for one in (yes, every)}
    found = decided(both, HERE, at(2))
    assert found is not None
    assert found[0] == every.subject
    later = fact(word("z", at=2))
    assert decided({**both, SUBJECT: later.consent}, HERE, at(2)) is not None
    answer = explained({**both, SUBJECT: later.consent}, [later, every], HERE, at(3), "now")
    assert answer.permitted
    assert covering("all", "all", ADA) == [("all", "all", ADA)]
