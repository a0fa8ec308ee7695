"""Bad input: a telephone number that was somebody else's before."""

from typing import Any

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration

NUMBER = "+491705861234"


def call(name: str, user: str | None, at: int, **fields: Any) -> Any:
    names = [("user_id", user)] if user else []
    return event(name, identifiers=[*names, ("phone", NUMBER)], at=at, **fields)


async def test_a_number_of_two_users_is_neithers_and_takes_nothing_along(shop: Shop) -> None:
    await shop.tell(
        call("1", "A", 0, type="identify", traits={"name": "Ada", "phone": NUMBER}),
        call("2", None, 1, type="identify", traits={"visits": 3}),
        call("3", "B", 9_999_999, type="identify", traits={"phone": NUMBER}),
        at_once=False,
    )
    assert await shop.values("phone", NUMBER) == {NUMBER}
    assert (await shop.person("user_id", "B"))["traits"] == {"phone": NUMBER}
    assert "visits" not in (await shop.person("user_id", "A"))["traits"]
    await shop.is_settled("A", "B")


async def test_it_is_the_first_ones_again_when_the_second_was_a_mistake(shop: Shop) -> None:
    await shop.tell(call("1", "A", 0), call("2", "B", 1), at_once=False)
    assert await shop.values("phone", NUMBER) == {NUMBER}
    body = {"source": "shop", "message_id": "2", "reason": "one digit was wrong"}
    assert (await shop.client.post("/v1/profiles/cut", json=body)).status_code == 201
    assert await shop.values("phone", NUMBER) == {"A", NUMBER}
    assert await shop.values("user_id", "B") == {"B"}


async def test_a_number_is_one_however_it_is_written(shop: Shop) -> None:
    await shop.tell(
        call("1", "A", 0),
        event(
            "2", user_id="B", identifiers=[("user_id", "B"), ("phone", "+49 (170) 586-1234")], at=1
        ),
    )
    assert await shop.values("phone", "+49 170 5861234") == {NUMBER}
    await shop.is_settled("A", "B")
