"""Bad input: identifiers of 10 KB. They are somebody's, alike in all but the last letter or not."""

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import IDS, event

from rapport_profile.store import reads

pytestmark = pytest.mark.integration

LONG = "x" * 10_240


async def test_ten_kilobytes_name_somebody_and_no_two_are_one(shop: Shop) -> None:
    users = [LONG + end for end in "ab"]
    await shop.tell(
        *(event(f"{n}", user_id=one, anonymous_id=LONG + "z", at=n) for n, one in enumerate(users)),
        event("3", identifiers=[("user_id", users[0]), ("crm_number", LONG)], at=3),
        at_once=False,
    )
    refused = await shop.ask("/v1/profiles", 422, kind="user_id", value=users[0])
    assert refused["details"]["problems"][0]["path"] == "query.value"
    ids = {one: str(IDS.of("w", ("user_id", one))) for one in users}
    async with shop.engine.begin() as tx:
        owners = [await reads.by_identifier(tx, "w", ids[one]) for one in users]
    assert len(set(owners) - {None}) == 2
    found = await shop.ask(f"/v1/profiles/{owners[0]}/identifiers")
    # What both were seen with is neither's.
    assert {one["value"] for one in found["items"]} == {users[0], LONG}
    await shop.is_settled()
