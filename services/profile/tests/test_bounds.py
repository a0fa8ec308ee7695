"""What is kept of somebody of whom very much is known: the newest, and right sums of all."""

import random

import msgspec
import pytest
from services.profile.tests.follower import Known, state
from services.profile.tests.people import START, event

from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_common.events.profile import Omitted
from rapport_profile.domain.bounds import (
    MAX_CASES,
    MAX_CONSENTS,
    MAX_ORDERS,
    MAX_SHOWN,
    MAX_TRAIT_BYTES,
    MAX_TRAITS,
)
from rapport_profile.domain.fold import CONSENT, TRAIT, Fold
from rapport_profile.domain.folding import fold_all, fold_and_spill, merge
from rapport_profile.domain.orders import Order
from rapport_profile.domain.people import Node, Profile
from rapport_profile.domain.published import strongest
from rapport_profile.domain.stamps import EARLIEST


def trait(n: int, name: str = "", value: object = 1) -> Event:
    traits = {name or f"t{n}": value}
    return event(f"m{n}", type="identify", user_id="U", traits=traits, at=n)


def consent(n: int, told: str, trust: str = "trusted") -> Event:
    said = {
        "channel": "email",
        "purpose": "promotion",
        "contact_point": f"p{n}@example.com",
        "state": told,
    }
    return event(f"c{n}", name="Consent Updated", user_id="U", said=said, trust=trust, at=n)


def shuffled(history: list[Event]) -> list[Event]:
    return random.Random(1).sample(history, len(history))


# --- traits ----------------------------------------------------------------------------------


def test_the_newest_traits_stay_and_each_other_is_handed_out_with_its_value() -> None:
    history = [trait(n, value=n) for n in range(MAX_TRAITS + 30)]
    for told in (history, shuffled(history)):
        fold, spilled = fold_and_spill(told)
        assert set(fold.traits) == {f"t{n}" for n in range(30, MAX_TRAITS + 30)}
        assert len(fold.hidden_traits) == 30
        gone = {(one.kind, one.name, bytes(one.value)) for one in spilled}
        assert gone == {(TRAIT, f"t{n}", b"%d" % n) for n in range(30)}
        assert {one.at for one in spilled} == {one.timestamp for one in history[:30]}


def test_a_trait_that_gave_way_and_is_told_again_is_at_hand_again() -> None:
    fold = fold_all(trait(n) for n in range(MAX_TRAITS + 1))
    assert "t0" not in fold.traits
    fold.join(fold_all([trait(MAX_TRAITS + 1, "t0", "new")]))
    (gone,) = fold.trim()
    assert (gone.name, bytes(fold.traits["t0"].value)) == ("t1", b'"new"')
    assert len(fold.hidden_traits) == 1


def test_of_long_traits_the_newest_stay_that_have_room_together() -> None:
    """A name, its value, quotes, a colon and a comma are what a trait has of the room."""
    history = [trait(n, f"t{n}", "x" * (MAX_TRAIT_BYTES // 4)) for n in range(6)]
    assert set(fold_all(shuffled(history)).traits) == {"t3", "t4", "t5"}
    exact = MAX_TRAIT_BYTES - len('"t0":"",')
    full = [trait(0, "old"), trait(1, "t0", "x" * exact)]
    assert set(fold_all(full).traits) == {"t0"}
    assert set(fold_all([trait(0, value="x" * exact)]).traits) == {"t0"}
    fold, spilled = fold_and_spill([trait(0, value="x" * (exact + 1))])
    assert (fold.traits, [one.name for one in spilled]) == ({}, ["t0"])
    assert len(fold.hidden_traits) == 1


def test_what_two_people_hide_is_counted_once_when_they_are_one() -> None:
    """`old` gave way in both; the newest traits of both are at hand."""

    def much(first: int, name: str, told: str) -> list[Event]:
        return [trait(first, name), *(trait(first + n, f"{told}{n}") for n in range(1, MAX_TRAITS))]

    one, other = much(0, "old", "a"), much(5_000, "old", "b")
    extra = [trait(9_000, "c"), trait(9_001, "d")]
    first, second = fold_all([*one, extra[0]]), fold_all([*other, extra[1]])
    assert len(first.hidden_traits) == len(second.hidden_traits) == 1
    whole = merge([first, second])
    assert merge([second, first]) == whole
    assert set(whole.traits) == {*(f"b{n}" for n in range(2, MAX_TRAITS)), "c", "d"}
    # `old`, b1, and all that only the first told of.
    assert state([], whole).omitted.traits == 2 + MAX_TRAITS - 1


# --- consents --------------------------------------------------------------------------------


def consents(fold: Fold) -> list[tuple[str, str]]:
    return [(one.contact_point, one.state) for one in fold.consent_states()]


def test_a_no_outlives_every_yes_and_of_those_the_newer() -> None:
    refusals = [consent(n, "withdrawn") for n in range(MAX_CONSENTS // 2)]
    grants = [consent(1_000 + n, "granted") for n in range(MAX_CONSENTS)]
    kept = {(f"p{n}@example.com", "withdrawn") for n in range(MAX_CONSENTS // 2)}
    kept |= {(f"p{1_100 + n}@example.com", "granted") for n in range(MAX_CONSENTS // 2)}
    for told in (refusals + grants, grants + refusals, shuffled(refusals + grants)):
        fold, spilled = fold_and_spill(told)
        assert set(consents(fold)) == kept
        assert state([], fold).omitted == Omitted(consent=100)
        assert {one.kind for one in spilled} == {CONSENT}
        assert {msgspec.json.decode(one.name)[2] for one in spilled} == {
            f"p{1_000 + n}@example.com" for n in range(100)
        }


def test_a_public_yes_gives_way_first_unless_the_person_is_reached_there() -> None:
    """It is the oldest of all; the address is the person's or not."""
    grants = [consent(n + 1, "granted") for n in range(MAX_CONSENTS)]
    asked = consent(MAX_CONSENTS + 9, "granted", trust="public")
    fold = fold_all([asked, *grants])
    assert set(consents(fold)) == {(f"p{n + 1}@example.com", "granted") for n in range(200)}
    theirs = event(
        "a",
        type="identify",
        user_id="U",
        traits={"email": f"p{MAX_CONSENTS + 9}@example.com"},
        trust="public",
    )
    fold = fold_all([theirs, asked, *grants])
    assert (f"p{MAX_CONSENTS + 9}@example.com", "granted") in consents(fold)
    assert ("p1@example.com", "granted") not in consents(fold)


def test_what_two_people_hide_of_their_consents_is_counted_once() -> None:
    one = fold_all(consent(n, "denied") for n in range(MAX_CONSENTS + 2))
    other = fold_all(consent(n, "denied") for n in range(1, MAX_CONSENTS + 3))
    assert len(one.hidden_consents) == len(other.hidden_consents) == 2
    whole = merge([one, other])
    assert state([], whole).omitted.consent == 3
    assert whole.consents == fold_all(consent(n, "denied") for n in range(203)).consents


# --- orders and cases ------------------------------------------------------------------------


def order(n: float, name: str = "Order Completed") -> Event:
    said = {"order_id": f"o{int(n)}", "total": 2, "currency": "EUR"}
    return event(f"{name}{n}", name=name, user_id="U", at=n, said=said)


def test_orders_that_gave_way_stay_in_the_sums_and_the_times() -> None:
    history = [order(n) for n in range(MAX_ORDERS + 50)]
    for told in (history, shuffled(history)):
        fold = fold_all(told)
        assert len(fold.purchases) == MAX_ORDERS
        computed = fold.computed()
        assert (computed.orders, computed.revenue) == (250, {"EUR": "500"})
        assert computed.first_order_at == history[0].timestamp
        assert computed.last_order_at == history[-1].timestamp


def test_an_order_that_was_cancelled_before_it_gave_way_was_none() -> None:
    history = [order(0), order(0.5, "Order Cancelled"), order(0.5, "Order Refunded")]
    history += [order(n) for n in range(1, MAX_ORDERS + 1)]
    computed = fold_all(history).computed()
    assert (computed.orders, computed.revenue) == (200, {"EUR": "400"})
    assert computed.first_order_at == order(1).timestamp


def test_an_order_of_unknown_amount_is_as_old_as_what_was_said_of_it() -> None:
    unpriced = event("x", name="Order Completed", user_id="U", at=999, said={"order_id": "x"})
    fold = fold_all([unpriced, *(order(n) for n in range(MAX_ORDERS))])
    assert ("x" in fold.purchases, "o0" in fold.purchases) == (True, False)
    assert (fold.orders, fold.computed().last_order_at) == (201, unpriced.timestamp)
    assert Order().touched == EARLIEST


def test_open_complaints_outlive_closed_ones() -> None:
    def case(n: int, name: str) -> Event:
        return event(f"{name}{n}", name=name, user_id="U", at=n, said={"case_id": f"c{n}"})

    still_open = [case(n, "Case Opened") for n in range(MAX_CASES - 50)]
    closed = [case(1_000 + n, "Case Closed") for n in range(100)]
    for told in (still_open + closed, closed + still_open, shuffled(still_open + closed)):
        fold = fold_all(told)
        assert fold.computed().open_cases == MAX_CASES - 50
        assert {name for name, one in fold.cases.items() if not one.is_open} == {
            f"c{1_050 + n}" for n in range(50)
        }


# --- identifiers -----------------------------------------------------------------------------


def test_the_user_id_then_addresses_then_what_was_named_last_is_shown() -> None:
    current = event("m", type="identify", user_id="U", traits={"email": "me@example.com"})
    fold = fold_all([current])
    named = {
        ("user_id", "U"): START,
        ("email", "me@example.com"): START,
        ("email", "former@example.com"): trait(9).timestamp,
        **{("anonymous_id", f"x{n}"): trait(n + 1).timestamp for n in range(6)},
    }
    order_of_strength = [
        {("user_id", "U"), ("email", "me@example.com")},
        {("email", "former@example.com")},
        *({("anonymous_id", f"x{n}")} for n in (5, 4, 3, 2, 1, 0)),
    ]
    for most in range(2, 10):
        kept = set().union(*order_of_strength[: most - 1])
        assert strongest(named, fold, most) == {one: named[one] for one in kept}


def state_of(nodes: list[Node]) -> tuple[Profile, Known]:
    made = Profile.made_of("p", "w", 7, nodes)
    return made, state(made.named, made.fold, made.count)


def test_a_profile_made_of_its_identifiers_is_what_they_amount_to() -> None:
    history = [trait(1, "a"), trait(2, "b")]
    user, device, silent = (
        Node(name, "w", kind, name)
        for name, kind in (("U", "user_id"), ("x", "anonymous_id"), ("y", "anonymous_id"))
    )
    user.fold, device.fold = fold_all(history[:1]), fold_all(history[1:])
    nodes = [user, device, silent]
    made, told = state_of(nodes)
    assert told == state([one.name for one in nodes], fold_all(history), 3)
    assert (made.version, made.count, made.user, made.sole) == (7, 3, "U", None)
    # Whom no event has as its strongest may have been named at any time.
    assert made.named == {
        user.name: history[0].timestamp,
        device.name: history[1].timestamp,
        silent.name: EARLIEST,
    }


@pytest.mark.parametrize("most", [MAX_SHOWN, MAX_SHOWN + 60])
def test_a_profile_made_of_many_identifiers_shows_some_and_counts_the_rest(most: int) -> None:
    nodes = [Node(f"x{n}", "w", "anonymous_id", f"x{n}") for n in range(most)]
    for n, node in enumerate(nodes):
        node.fold = fold_all([event(f"m{n}", anonymous_id=node.value, at=n)])
    _made, told = state_of(nodes)
    assert {one.value for one in told.identifiers} == {f"x{most - 1 - n}" for n in range(200)}
    assert told.omitted.identifiers == most - MAX_SHOWN
    assert told.computed.events == most


def test_a_profile_of_which_all_is_shown_says_nothing_of_what_is_not() -> None:
    one = fold_all([event("m", user_id="U")])
    assert b'"omitted"' not in encode(state([("user_id", "U")], one, 1))
    assert b'"omitted":{"identifiers":2}' in encode(state([("user_id", "U")], one, 3))
