"""Who is forgotten has complained of nothing, also where they only claimed to be themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from services.feedback.tests.test_attached import PNG
from services.feedback.tests.test_privacy import forget, rows
from tests.support.telling import rows_of

from rapport_common.events.envelope import identifier_digest
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.testing.credentials import EVENT_KEY
from rapport_feedback.store.access import parts

if TYPE_CHECKING:
    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
PROFILE = "0190a5c0-0000-7000-8000-0000000000f7"


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


async def test_what_somebody_wrote_at_anothers_case_is_theirs(service: Service) -> None:
    """To be told to them and to nobody else, and to go with them and with nobody else."""
    body = {"email": "ben@example.com", "subject": "Late", "body": "Three weeks"}
    case = (await service.client.post("/v1/cases", json=body)).json()
    for sender, said in (("ada@example.com", "My knee hurts"), ("ben@example.com", "Hello?")):
        await service.change(
            "INSERT INTO feedback.case_message (workspace, message_id, case_id, send_key, subject, "
            "body, at) VALUES (:ws, :sender, CAST(:case AS uuid), '', 'Re', :said, now()); ",
            sender=sender,
            case=case["id"],
            said=said,
        )
        await service.change(
            "INSERT INTO feedback.case_mail (workspace, message_id, case_id, sender, own_id, "
            "verdict, automatic, quoted, at) VALUES (:ws, :sender, CAST(:case AS uuid), :sender, "
            "'', 'pass', '', :quoted, now())",
            sender=sender,
            case=case["id"],
            quoted="> ada@example.com and ben@example.com wrote",
        )
    hers = str(await told(service, "ada@example.com"))
    assert "My knee hurts" in hers
    assert "Hello?" not in hers
    assert "ben@example.com" not in hers
    his = str(await told(service, "ben@example.com"))
    assert "Hello?" in his
    assert "My knee hurts" not in his
    assert "ada@example.com" not in his
    await forget(service)
    messages = {one["message_id"]: one["body"] for one in await rows(service, "case_message")}
    assert messages == {"ada@example.com": "", "ben@example.com": "Hello?"}
    quoted = sorted((one["sender"], one["quoted"]) for one in await rows(service, "case_mail"))
    assert quoted == [
        ("", ""),
        ("ben@example.com", "> [erased] and ben@example.com wrote"),
    ]


async def told(service: Service, email: str) -> list[Any]:
    """All that is told to whom an address is of."""
    digest = identifier_digest(EVENT_KEY, service.workspace, ("email", email)).hex()
    who = Subject(
        workspace=service.workspace,
        request_id=PROFILE,
        profile_id=PROFILE,
        subjects=frozenset({digest}),
        kinds=frozenset({"email"}),
        profiles=frozenset({PROFILE}),
        at=datetime.now(UTC),
    )
    found = [await rows_of(service.engine, one, who) for one in parts(Recogniser(EVENT_KEY))]
    return [row for rows_ in found for row in rows_]
