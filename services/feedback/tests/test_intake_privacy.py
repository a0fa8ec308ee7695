"""Who is forgotten has complained of nothing, also where they only claimed to be themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from services.feedback.tests.test_attached import PNG
from services.feedback.tests.test_privacy import forget, rows

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration


async def test_a_claim_is_forgotten_with_its_files(service: Service) -> None:
    made = await service.client.post("/v1/complaint-forms", json={"name": "Website"})
    path = urlsplit(made.json()["url"]).path
    for email in ("ada@example.com", "ben@example.com"):
        sent = await service.client.post(
            path,
            data={"subject": "Torn", "body": "Mine", "email": email, "name": "A", "phone": "+491"},
            files=[("files", ("torn.png", PNG))],
        )
        assert sent.status_code == 200
    [hers] = [one for one in await rows(service, "case_arrival") if one["email"][:3] == "ada"]
    await service.client.put("/v1/case-reasons/torn", json={})
    gift = {"kind": "coupon", "amount": 5, "currency": "EUR", "code": "ADA-1", "reason": "torn"}
    given = await service.client.post(f"/v1/cases/{hers['case_id']}/goodwill", json=gift)
    assert given.status_code == 201, given.text
    await forget(service)
    arrivals = {one["email"]: one for one in await rows(service, "case_arrival")}
    assert arrivals.keys() == {None, "ben@example.com"}
    assert (arrivals[None]["name"], arrivals[None]["phone"], arrivals[None]["digest"]) == (
        None,
        None,
        None,
    )
    shown = (await service.client.get(f"/v1/cases/{hers['case_id']}")).json()
    assert (shown["state"], shown["subject"], shown["body"]) == ("closed", "", "")
    assert [one["case_id"] for one in await rows(service, "attachment")] == [
        arrivals["ben@example.com"]["case_id"]
    ]
    assert len(await rows(service, "attachment_part")) == 1
    [kept] = await rows(service, "goodwill")
    assert (kept["code"], kept["cost"]) == ("", 5), "the sum stays"
