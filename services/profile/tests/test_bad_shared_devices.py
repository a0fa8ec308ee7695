"""Bad input: a device of many. Nobody becomes somebody else by it, and no user loses his own."""

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration


async def test_a_tablet_of_a_family_is_nobodys_whoever_signs_in_between(shop: Shop) -> None:
    await shop.tell(
        event("1", user_id="A", anonymous_id="t"),
        event("2", anonymous_id="t", email="home@example.com", at=1),
        event("3", user_id="B", anonymous_id="t", at=2),
        event("4", user_id="A", anonymous_id="mine", at=3),
        event("5", type="identify", anonymous_id="t", traits={"name": "Who?"}, at=4),
        at_once=False,
    )
    assert await shop.values("user_id", "A") == {"A", "mine"}
    assert await shop.values("user_id", "B") == {"B"}
    assert (await shop.person("user_id", "A"))["traits"] == {}
    assert (await shop.person("anonymous_id", "t"))["traits"] == {"name": "Who?"}
    await shop.is_settled("A", "B")


async def test_a_hundred_users_of_one_till_are_a_hundred_people(shop: Shop) -> None:
    users = [f"u{n}" for n in range(100)]
    await shop.tell(
        *(event(f"m{n}", user_id=one, anonymous_id="till", at=n) for n, one in enumerate(users))
    )
    await shop.tell(
        *(event(f"again{n}", user_id=one, anonymous_id="till", at=n) for n, one in enumerate(users))
    )
    assert await shop.values("anonymous_id", "till") == {"till"}
    await shop.is_settled(*users)


async def test_two_tills_that_see_the_same_users_join_none_of_them(shop: Shop) -> None:
    await shop.tell(
        *(
            event(f"{till}{user}", user_id=user, anonymous_id=till)
            for till in "tv"
            for user in "AB"
        ),
        event("5", type="alias", anonymous_id="t", previous_id="v", at=9),
        at_once=False,
    )
    assert await shop.values("anonymous_id", "t") == {"t"}
    assert await shop.values("anonymous_id", "v") == {"v"}
    await shop.is_settled("A", "B")
