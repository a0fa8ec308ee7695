"""Bad input: facts that contradict each other have one result, whatever came first."""

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration


async def test_of_values_told_at_one_instant_one_counts_in_either_order(shop: Shop) -> None:
    """The later place counts, and of equal places the greater message id."""
    both = [
        event(f"{n}", type="identify", user_id="A", traits={"city": city}, at=1)
        for n, city in enumerate(("Bonn", "Ulm"))
    ]
    await shop.tell(both[1], both[0], at_once=False)
    backwards = (await shop.person("user_id", "A"))["traits"]
    await shop.tell(
        *(
            event(f"b{one.message_id}", type="identify", user_id="B", at=1, traits={"city": city})
            for one, city in zip(both, ("Bonn", "Ulm"), strict=True)
        )
    )
    assert (await shop.person("user_id", "B"))["traits"] == backwards == {"city": "Ulm"}
    await shop.is_settled("A", "B")


async def test_two_bodies_under_one_message_id_are_one_event(shop: Shop) -> None:
    """A grown man and a child, 20 and 30 dollars: one of the copies counts as a whole."""
    copies = [
        event("m", name="Order Completed", user_id="A", said={"total": total}) for total in (20, 30)
    ]
    await shop.tell(*copies, at_once=False)
    first = (await shop.person("user_id", "A"))["computed"]
    await shop.tell(*copies[::-1], at_once=False)
    assert (await shop.person("user_id", "A"))["computed"] == first
    assert (first["events"], first["revenue"]["USD"] in {"20", "30"}) == (1, True)
    await shop.is_settled("A")


async def test_one_message_id_that_names_two_users_is_an_event_of_one(shop: Shop) -> None:
    copies = [event("m", user_id=user, anonymous_id="x") for user in ("A", "B")]
    await shop.tell(*copies, event("a", user_id="A"), event("b", user_id="B"), at_once=False)
    owner = await shop.values("anonymous_id", "x")
    assert owner in ({"A", "x"}, {"B", "x"})
    await shop.is_settled("A", "B")


async def test_an_order_that_is_cancelled_before_it_is_made_is_cancelled(shop: Shop) -> None:
    said = {"order_id": "1", "total": 10}
    await shop.tell(
        event("2", name="Order Cancelled", user_id="A", said=said, at=5),
        event("1", name="Order Completed", user_id="A", said=said, at=1),
        at_once=False,
    )
    assert (await shop.person("user_id", "A"))["computed"]["orders"] == 0
    await shop.is_settled("A")


async def test_an_operators_word_against_itself_keeps_apart(shop: Shop) -> None:
    await shop.tell(event("1", email="e@example.com"), event("2", anonymous_id="x"))
    ends = {
        "one": {"kind": "email", "value": "e@example.com"},
        "other": {"kind": "anonymous_id", "value": "x"},
        "reason": "a test",
    }
    merged = await shop.client.post("/v1/profiles/merge", json=ends)
    apart = await shop.client.post("/v1/profiles/keep-apart", json=ends)
    assert (merged.status_code, apart.status_code) == (201, 201)
    assert await shop.values("anonymous_id", "x") == {"x"}
    again = await shop.client.post("/v1/profiles/merge", json=ends)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
