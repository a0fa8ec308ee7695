"""Bad input: somebody of 5,000 identifiers. Everything is answered, in pages."""

from typing import Any

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration

MANY, BATCH = 5_000, 1_000


async def test_five_thousand_identifiers_are_one_person_who_can_be_asked_of(shop: Shop) -> None:
    for first in range(0, MANY, BATCH):
        await shop.tell(
            *(
                event(f"m{n}", user_id="A", anonymous_id=f"x{n}", at=n)
                for n in range(first, first + BATCH)
            )
        )
    await shop.tell(event("b", user_id="B", anonymous_id="x7", at=MANY))
    found = await shop.person("anonymous_id", f"x{MANY - 1}")
    assert found["omitted"]["identifiers"] == MANY - len(found["identifiers"])
    assert await shop.values("anonymous_id", "x7") == {"x7"}
    where = f"/v1/profiles/{found['id']}"
    page = await shop.ask(f"{where}/identifiers", limit=1000)
    assert (len(page["items"]), page["next"] is not None) == (1000, True)
    asked: dict[str, Any] = {
        "kind": "anonymous_id",
        "value": "x1",
        "to_kind": "anonymous_id",
        "to_value": f"x{MANY - 1}",
    }
    assert len((await shop.ask(f"{where}/why", **asked))["chain"]) == 2
    apart = await shop.ask(f"{where}/why", **{**asked, "to_kind": "user_id", "to_value": "B"})
    assert [one["rule"] for one in apart["obstacles"]] == ["several_users"]
    links = await shop.ask(f"{where}/links", limit=100)
    assert len(links["items"]) == 100
    one = await shop.person("user_id", "B")
    assert {each["value"] for each in one["identifiers"]} == {"B"}
