"""Bad input: birthdays on 29 February, in years that have none, and on no day at all."""

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

pytestmark = pytest.mark.integration

DAYS = {
    "2000-02-29": "2000-02-29",
    "29.02.1996": "1996-02-29",
    "1996\u5e742\u670829\u65e5": "1996-02-29",
    # 1900 was no leap year; nor are these days.
    "1900-02-29": None,
    "2001-02-29": None,
    "2023-02-30": None,
    "0000-02-29": None,
    "2000-02-29T00:00:00Z": "2000-02-29",
}


@pytest.mark.parametrize("told", DAYS)
async def test_a_day_is_read_if_there_is_one_and_kept_as_it_was_sent(shop: Shop, told: str) -> None:
    await shop.tell(event("1", type="identify", user_id="A", traits={"birthday": told}))
    assert (await shop.person("user_id", "A"))["traits"] == {"birthday": told}
    assert (await shop.readings("user_id", "A"))["birthday"]["normal"] == DAYS[told]
    await shop.is_settled("A")


@pytest.mark.parametrize("odd", [20000229, True, ["2000-02-29"], {"y": 2000}, "x" * 9_999, 1e308])
async def test_a_birthday_that_is_no_text_harms_nothing(shop: Shop, odd: object) -> None:
    await shop.tell(event("1", type="identify", user_id="A", traits={"birthday": odd}))
    assert (await shop.person("user_id", "A"))["traits"] == {"birthday": odd}
    await shop.readings("user_id", "A")
    await shop.is_settled("A")
