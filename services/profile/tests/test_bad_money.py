"""Bad input: currencies that there are none of, and numbers beyond all measure."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from services.profile.tests.misfits import Shop, raw
from services.profile.tests.people import event

from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event

pytestmark = pytest.mark.integration


def sale(name: str, body: str, **fields: Any) -> Any:
    return raw(name, "properties", body, name="Order Completed", user_id="A", **fields)


@pytest.mark.parametrize("currency", ["XXQ", "usd ", "$", "", "EURO", "null", "U$D", "\u20ac"])
async def test_money_in_no_currency_is_no_revenue(shop: Shop, currency: str) -> None:
    """It is an order; one in dollars beside it counts as ever."""
    body = f'{{"order_id": "1", "total": 7, "currency": "{currency}"}}'
    good = '{"order_id": "2", "total": 5, "currency": "USD"}'
    await shop.tell(sale("1", body, currency=None), sale("2", good, at=1))
    computed = (await shop.person("user_id", "A"))["computed"]
    assert computed["orders"] == 2
    assert computed["revenue"] == {"USD": "12" if currency.strip().upper() == "USD" else "5"}
    await shop.is_settled("A")


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "1e-400", "-0", "-0.0", '"NaN"', "1e999999999"]
)
async def test_a_number_beyond_all_measure_harms_nothing_beside_it(shop: Shop, number: str) -> None:
    body = f'{{"order_id": "1", "total": {number}, "currency": "USD"}}'
    good = '{"order_id": "2", "total": 5, "currency": "USD"}'
    trait = f'{{"n": {number}, "ok": 1}}'
    await shop.tell(
        sale("1", body),
        sale("2", good, at=1),
        raw("3", "traits", trait, type="identify", user_id="A", at=2),
        event("4", anonymous_id="x", at=3),
    )
    found = await shop.person("user_id", "A")
    assert found["computed"]["events"] == 3
    assert Decimal(found["computed"]["revenue"]["USD"]) == 5
    assert found["traits"]["ok"] == 1
    ends = {
        "one": {"kind": "user_id", "value": "A"},
        "other": {"kind": "anonymous_id", "value": "x"},
        "reason": "a test",
        "dry_run": True,
    }
    assert (await shop.client.post("/v1/profiles/merge", json=ends)).status_code == 200
    await shop.ask("/v1/stats")
    await shop.is_settled("A")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_no_record(number: str) -> None:
    """So it never comes to a consumer: the record is put aside as unreadable."""
    record = encode(event("1", type="identify", user_id="A", traits={"n": 7}))
    assert msgspec.json.decode(record, type=Event)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(record.replace(b'"n":7', f'"n":{number}'.encode()), type=Event)
