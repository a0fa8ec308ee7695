"""Bad input: traits with names that mean something to programs. Here they are names like any."""

from typing import Any

import pytest
from services.profile.tests.misfits import Shop, raw
from services.profile.tests.people import event

pytestmark = pytest.mark.integration

NAMES = [
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "__class__",
    "hasOwnProperty",
    "",
    " ",
    ".",
    "a.b",
    "$set",
    "$where",
    "'; DROP TABLE profile.identifier; --",
    "\u202egnp.exe",
    "x" * 1_000,
    "{{ profile }}",
    "%s%n",
    "../../etc/passwd",
]


async def test_each_is_kept_and_shown_as_it_was_sent(shop: Shop) -> None:
    traits: dict[str, Any] = {name: {"polluted": name} for name in NAMES}
    await shop.tell(event("1", type="identify", user_id="A", traits=traits))
    await shop.tell(event("2", type="identify", user_id="B", traits={"plain": 1}))
    found = await shop.person("user_id", "A")
    assert found["traits"] == traits
    assert (await shop.person("user_id", "B"))["traits"] == {"plain": 1}
    listed, cursor = [], None
    while True:
        page = await shop.ask(
            f"/v1/profiles/{found['id']}/traits", limit=5, **({"cursor": cursor} if cursor else {})
        )
        listed += [one["name"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert sorted(listed) == sorted(NAMES)
    for name in ("__proto__", "constructor", "a.b"):
        where = f"/v1/profiles/{found['id']}/trait-history"
        assert len((await shop.ask(where, name=name))["items"]) == 1
    await shop.is_settled("A", "B")


async def test_a_name_told_twice_in_one_object_has_its_last_value(shop: Shop) -> None:
    body = '{"__proto__": {"admin": true}, "a": 1, "a": 2, "__proto__": 7}'
    await shop.tell(raw("1", "traits", body, type="identify", user_id="A"))
    assert (await shop.person("user_id", "A"))["traits"] == {"a": 2, "__proto__": 7}
    await shop.is_settled("A")


async def test_what_is_nested_as_deep_as_the_door_allows_is_kept(shop: Shop) -> None:
    depth = 62
    body = '{"deep": ' + '{"a": ' * depth + "1" + "}" * depth + ', "b": 1}'
    await shop.tell(raw("1", "traits", body, type="identify", user_id="A"), event("2", user_id="A"))
    assert (await shop.person("user_id", "A"))["computed"]["events"] == 2
    await shop.is_settled("A")
