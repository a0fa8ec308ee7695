"""Bad input: aliases in circles, of itself, of nobody, of a person who is known."""

from typing import Any

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration


def alias(name: str, user: str | None, previous: str, **fields: Any) -> Any:
    return event(name, type="alias", user_id=user, previous_id=previous, **fields)


async def test_an_alias_of_itself_says_nothing(shop: Shop) -> None:
    await shop.tell(alias("1", "A", "A"), alias("2", None, "x", anonymous_id="x", at=1))
    assert await shop.values("user_id", "A") == {"A"}
    assert await shop.values("anonymous_id", "x") == {"x"}
    await shop.is_settled("A")


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_circle_of_visitors_is_one_visitor(shop: Shop, at_once: bool) -> None:  # noqa: FBT001
    ring = "abcde"
    told = [alias(str(n), None, ring[n - 1], anonymous_id=one, at=n) for n, one in enumerate(ring)]
    await shop.tell(*told, at_once=at_once)
    assert await shop.values("anonymous_id", "c") == set(ring)
    await shop.is_settled()


async def test_a_circle_of_users_is_one_user_when_a_server_says_so(shop: Shop) -> None:
    ring = "ABC"
    users = [event(one, user_id=one) for one in ring]
    told = [alias(f"r{n}", one, ring[n - 1], at=n) for n, one in enumerate(ring)]
    await shop.tell(*told, *users, at_once=False)
    assert await shop.values("user_id", "A") == set(ring)
    await shop.is_settled("A")


async def test_a_circle_of_users_is_nobodys_business_when_a_page_says_so(shop: Shop) -> None:
    ring = "ABC"
    users = [event(one, user_id=one) for one in ring]
    told = [alias(f"r{n}", one, ring[n - 1], trust="public", at=n) for n, one in enumerate(ring)]
    await shop.tell(*users, *told, at_once=False)
    await shop.is_settled(*ring)


@pytest.mark.parametrize("nobody", ["null", "0", "undefined", "", "  ", "anonymous"])
async def test_an_alias_of_nobody_says_nothing(shop: Shop, nobody: str) -> None:
    await shop.tell(alias("1", "A", nobody), alias("2", "B", nobody, at=1))
    await shop.is_settled("A", "B")
