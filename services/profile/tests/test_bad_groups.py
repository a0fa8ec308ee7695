"""Bad input: groups in groups, in themselves, of no name; a person is in what was said."""

from typing import Any

import pytest
from services.profile.tests.grouped import joined
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event
from services.profile.tests.test_groups_stored import settled

pytestmark = pytest.mark.integration


async def groups(shop: Shop, user: str) -> set[str]:
    who = (await shop.person("user_id", user))["id"]
    items = (await shop.ask(f"/v1/profiles/{who}/groups"))["items"]
    return {one["key"] for one in items}


async def test_a_group_in_a_group_is_a_trait_of_it_and_nothing_follows_it(shop: Shop) -> None:
    """A circle, and one in itself: who is in one is in that one."""
    inside: dict[str, dict[str, Any]] = {
        "a": {"group_id": "b", "parent": "b"},
        "b": {"group_id": "a", "parent": "a"},
        "self": {"group_id": "self"},
    }
    await shop.tell(
        *(joined(key, key, user_id=f"of-{key}", traits=traits) for key, traits in inside.items())
    )
    await settled(shop.engine)
    for key, traits in inside.items():
        assert await groups(shop, f"of-{key}") == {key}
        found = await shop.ask("/v1/groups/lookup", kind="company", key=key)
        assert (found["traits"], found["members"]) == (traits, 1)
    await shop.is_settled(*(f"of-{key}" for key in inside))


async def test_a_group_that_calls_itself_its_member_makes_no_person_of_two(shop: Shop) -> None:
    """A group's key that is somebody's user id, in a group that is his, too."""
    await shop.tell(
        joined("1", "B", user_id="A"), joined("2", "A", user_id="B"), event("3", user_id="A", at=1)
    )
    await settled(shop.engine)
    assert (await groups(shop, "A"), await groups(shop, "B")) == ({"B"}, {"A"})
    await shop.is_settled("A", "B")


@pytest.mark.parametrize("key", ["", "null", "undefined", "[object Object]"])
async def test_a_group_without_a_name_is_none(shop: Shop, key: str) -> None:
    await shop.tell(joined("1", key, user_id="A", traits={"n": 1}))
    await settled(shop.engine)
    assert await groups(shop, "A") == set()
    assert (await shop.ask("/v1/groups"))["items"] == []
    await shop.is_settled("A")
