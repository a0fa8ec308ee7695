"""Mails to an address for complaints: to which case, by whose word, and what they may do."""

from __future__ import annotations

import asyncio
import smtplib
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from services.feedback.tests.conftest import make_settings
from services.feedback.tests.hostile_mails import FAIL, MIXED, NO_MAILS, PASS, mail
from tests.support.waiting import HANG_SECONDS

from rapport_common.events.topics import EVENTS
from rapport_common.mail.putting_off import TooManyMailsError
from rapport_common.mail.server import Bounds, MailServer
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes
from rapport_feedback.api import cases_of
from rapport_feedback.domain.arrivals import MAILS_AN_HOUR
from rapport_feedback.domain.threads import reference, reply_address, thread
from rapport_feedback.handlers.arriving import Arriving
from rapport_feedback.handlers.mails import Mails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.feedback.tests.conftest import Service

pytestmark = pytest.mark.integration
KEY = key_bytes(make_settings().link_key)


class Office:
    """An address of a workspace, and the mails to it."""

    def __init__(self, service: Service, mails: Mails) -> None:
        self.service = service
        self.mails = mails
        self.address = f"c{uuid4().hex[:12]}@shop.example"

    async def open(self, **body: Any) -> None:
        given = {"trusted": ["mx.shop.example"], **body}
        made = await self.service.client.put(f"/v1/complaint-addresses/{self.address}", json=given)
        assert made.status_code == 200, made.text

    async def comes(self, raw: bytes, word: str = "", sender: str = "x@y.example") -> None:
        to = reply_address(self.address, word) if word else self.address
        is_ours, place = await self.mails.leads_to(to, frozenset())
        assert is_ours
        assert place is not None
        await self.mails.take(raw, sender, [place])

    async def cases(self) -> list[dict[str, Any]]:
        return list((await self.service.client.get("/v1/cases")).json()["items"])

    async def case(self, number: int = 1) -> dict[str, Any]:
        [found] = [one for one in await self.cases() if one["number"] == number]
        return dict((await self.service.client.get(f"/v1/cases/{found['id']}")).json())

    async def arrival(self, case: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.service.client.get(f"/v1/cases/{case['id']}/arrival")).json())

    def word(self, case: dict[str, Any]) -> str:
        return thread(KEY, self.service.workspace, UUID(case["id"]))

    async def moved(self, case: dict[str, Any], *states: str) -> None:
        for state in states:
            body = {"state": state}
            answer = await self.service.client.post(f"/v1/cases/{case['id']}/state", json=body)
            assert answer.status_code == 200, answer.text

    async def waiting(self, extra: str = "") -> dict[str, Any]:
        """A case that waits for its customer."""
        await self.comes(mail(extra=extra))
        case = await self.case()
        await self.moved(case, "acknowledged", "assessed", "investigating", "waiting_customer")
        return case


@pytest.fixture
async def office(service: Service) -> Office:
    settings = make_settings()
    publisher = Publisher("feedback", EVENTS, key_bytes(settings.event_key))
    arriving = Arriving(cases_of(publisher, settings), publisher)
    made = Office(service, Mails(service.engine, arriving, KEY))
    await made.open()
    return made


async def test_a_mail_makes_a_case_of_whom_the_server_vouches_for(office: Office) -> None:
    await office.comes(mail(extra=PASS))
    case = await office.case()
    assert (case["subject"], case["body"]) == ("Broken", "It came broken.")
    assert case["email"] == "ada@example.com"
    assert [one["body"] for one in case["messages"]] == ["It came broken."]
    arrived = await office.arrival(case)
    assert (arrived["verified"], arrived["mails"][0]["verdict"]) == (True, "pass")


@pytest.mark.parametrize("extra", ["", FAIL])
async def test_of_whom_nobody_vouches_for_it_is_a_claim(office: Office, extra: str) -> None:
    await office.comes(mail(extra=extra))
    case = await office.case()
    assert case["email"] is None
    assert (await office.arrival(case))["email"] == "ada@example.com"
    [event] = await office.service.events()
    assert event.identifiers == [("anonymous_id", f"case:{case['id']}")]


async def test_a_mail_that_comes_again_changes_nothing(office: Office) -> None:
    """Also when it comes twice at once."""
    await asyncio.gather(*(office.comes(mail()) for _ in range(4)))
    await office.comes(mail())
    assert len(await office.cases()) == 1
    assert len((await office.case())["messages"]) == 1


@pytest.mark.parametrize("way", ["address", "references"])
async def test_an_answer_goes_to_its_thread_and_ends_the_wait(office: Office, way: str) -> None:
    case = await office.waiting()
    word = office.word(case)
    extra = f"References: {reference(office.address, word)}\r\n" if way == "references" else ""
    again = mail("Here you are", own_id="<2@example.com>", extra=extra)
    await office.comes(again, word if way == "address" else "")
    case = await office.case()
    assert case["state"] == "investigating"
    assert [one["body"] for one in case["messages"]] == ["It came broken.", "Here you are"]


async def test_a_merged_case_goes_on_as_its_heir(office: Office) -> None:
    """For the customer of either."""
    case = await office.waiting()
    await office.comes(mail(sender="bob@example.com", own_id="<2@bob>", subject="Also broken"))
    other = await office.case(2)
    merged = await office.service.client.post(
        f"/v1/cases/{other['id']}/merge", json={"into_id": case["id"]}
    )
    assert merged.status_code in {200, 201}, merged.text
    answer = mail("It is", sender="bob@example.com", own_id="<3@bob>")
    await office.comes(answer, office.word(other))
    case = await office.case()
    assert (case["state"], case["messages"][-1]["body"]) == ("investigating", "It is")
    assert len(await office.cases()) == 2


async def test_a_word_that_we_have_not_made_leads_nowhere(office: Office) -> None:
    case = await office.waiting()
    foreign = thread(KEY, "elsewhere", UUID(case["id"]))
    forged = thread(b"x" * 32, office.service.workspace, UUID(case["id"]))
    for number, word in enumerate((foreign, forged, "a" * 42, "nonsense"), start=2):
        await office.comes(mail(own_id=f"<{number}@example.com>"), word)
        assert (await office.case())["state"] == "waiting_customer"
    assert len(await office.cases()) == 5


async def test_a_stranger_in_a_thread_is_kept_and_moves_nothing(office: Office) -> None:
    case = await office.waiting()
    await office.comes(
        mail("I agree, close it", sender="eve@evil.example", own_id="<2@evil>"), office.word(case)
    )
    await office.comes(mail("Close", extra=FAIL, own_id="<3@evil>"), office.word(case))
    case = await office.case()
    assert (case["state"], len(case["messages"])) == ("waiting_customer", 3)
    assert (await office.arrival(case))["mails"][1]["sender"] == "eve@evil.example"
    assert (await office.arrival(case))["verified"] is False


async def test_a_number_counts_with_the_same_sender_only(office: Office) -> None:
    await office.waiting()
    subject = "Re: case 1"
    await office.comes(mail(subject=subject, sender="eve@evil.example", own_id="<2@e>"))
    await office.comes(mail(subject=subject, extra=FAIL, own_id="<3@e>"))
    assert len(await office.cases()) == 3, "both are cases of their own"
    await office.comes(mail(subject=subject, own_id="<4@example.com>"))
    case = await office.case()
    assert (case["state"], len(case["messages"])) == ("waiting_customer", 2), "kept, moves nothing"
    await office.comes(mail(subject=subject, extra=PASS, own_id="<5@example.com>"))
    case = await office.case()
    assert case["state"] == "investigating", "vouched for"
    assert case["email"] == "ada@example.com", "and known"
    assert (await office.service.events())[-2].name == "Case Verified"


async def test_an_answer_to_ones_own_mail_is_the_same_case(office: Office) -> None:
    await office.comes(mail())
    extra = "In-Reply-To: <1@example.com>\r\n"
    await office.comes(mail("And one thing more", extra=extra, own_id="<2@example.com>"))
    await office.comes(mail("Me, too", extra=extra, own_id="<3@e>", sender="eve@evil.example"))
    assert len((await office.case())["messages"]) == 2
    assert len(await office.cases()) == 2


async def test_machines_move_nothing_and_make_no_case(office: Office) -> None:
    auto = "Auto-Submitted: auto-replied\r\n"
    await office.comes(mail(extra=auto))
    assert await office.cases() == []
    case = await office.waiting()
    await office.comes(mail("I am away", extra=auto, own_id="<2@e>"), office.word(case))
    await office.comes(mail("No such user", own_id="<3@e>"), office.word(case), sender="")
    case = await office.case()
    assert (case["state"], len(case["messages"])) == ("waiting_customer", 3)
    why = [one["automatic"] for one in (await office.arrival(case))["mails"]]
    assert why == ["", "auto-submitted", "machine"]


async def test_circles_and_floods_end(office: Office) -> None:
    await office.comes(mail(extra="X-Loop: us\r\n"))
    assert await office.cases() == []
    for number in range(MAILS_AN_HOUR):
        await office.comes(mail(own_id=f"<{number}@example.com>"))
    # It is not said that it was taken: whoever sends it tries again.
    with pytest.raises(TooManyMailsError):
        await office.comes(mail(own_id="<more@example.com>"))
    assert len(await office.cases()) == MAILS_AN_HOUR
    # Whose address was forged so often is heard; and who has none is not all others who have none.
    await office.comes(mail(extra=PASS, own_id="<hers@example.com>"))
    for number in range(MAILS_AN_HOUR + 1):
        await office.comes(mail(sender="nobody", own_id=f"<n{number}@example.com>"))
    assert len(await office.cases()) == 2 * MAILS_AN_HOUR + 2


@pytest.mark.parametrize(
    ("after", "states"),
    [("reopen", ["reopened"]), ("keep", ["closed"]), ("new_case", ["received", "closed"])],
)
async def test_an_answer_to_a_closed_case(office: Office, after: str, states: list[str]) -> None:
    await office.open(after_closing=after)
    case = await office.waiting()
    await office.moved(case, "investigating", "response_offered", "closed")
    auto = mail("Away", extra="Precedence: bulk\r\n", own_id="<2@example.com>")
    await office.comes(auto, office.word(case))
    assert (await office.case())["state"] == "closed"
    await office.comes(mail("No!", own_id="<3@example.com>"), office.word(case))
    assert [one["state"] for one in await office.cases()] == states


async def test_files_of_a_mail_are_looked_at(office: Office) -> None:
    await office.comes(MIXED)
    case = await office.case()
    at = f"/v1/cases/{case['id']}/attachments"
    found = {one["name"]: one for one in (await office.service.client.get(at)).json()["items"]}
    assert found["crack.png"]["refused"] == ""
    assert "kind" in found["bill.pdf.exe"]["refused"]
    assert "earlier" in (await office.arrival(case))["mails"][0]["quoted"]


async def test_whatever_comes_is_a_case_and_no_error(office: Office) -> None:
    for one in NO_MAILS[:6]:
        await office.comes(one)
    assert 0 < len(await office.cases()) <= 6


async def test_an_address_is_one_workspaces(office: Office) -> None:
    at = f"/v1/complaint-addresses/{office.address}"
    async with office.service.as_operator("*", workspace="elsewhere") as other:
        assert (await other.put(at, json={})).status_code == 409
        assert (await other.delete(at)).status_code == 404
    for wrong in ("a+b@shop.example", "x" * 30 + "@shop.example", "nobody"):
        answer = await office.service.client.put(f"/v1/complaint-addresses/{wrong}", json={})
        assert answer.status_code == 422, wrong
    listed = (await office.service.client.get("/v1/complaint-addresses")).json()["items"]
    assert [one["address"] for one in listed] == [office.address]
    assert (await office.service.client.delete(at)).status_code == 204
    assert await office.mails.leads_to(office.address, frozenset()) == (False, None)


@pytest.fixture
async def server(office: Office) -> AsyncIterator[MailServer]:
    bounds = Bounds("127.0.0.1", 0, frozenset(), "mx.shop.example", "lmtp", size=2**20)
    made = MailServer(office.mails, bounds)
    stop = asyncio.Event()
    task = asyncio.create_task(made.run(stop))
    await asyncio.wait_for(made.listening.wait(), HANG_SECONDS)
    yield made
    stop.set()
    await asyncio.wait_for(task, HANG_SECONDS)


def _deliver(port: int, to: list[str], raw: bytes) -> dict[str, tuple[int, bytes]]:
    with smtplib.LMTP("127.0.0.1", port, "mx.example.net") as client:
        return client.sendmail("ada@example.com", to, raw)


async def test_mails_are_taken_by_lmtp(office: Office, server: MailServer) -> None:
    strange = "nobody@shop.example"
    refused = await asyncio.to_thread(_deliver, server.port, [office.address, strange], mail())
    assert list(refused) == [strange]
    assert refused[strange][0] == 550
    assert (await office.case())["subject"] == "Broken"
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        await asyncio.to_thread(_deliver, server.port, [office.address], mail("x" * 2**21))
    assert caught.value.smtp_code == 552


async def test_who_sends_too_many_is_told_to_try_again(office: Office, server: MailServer) -> None:
    for number in range(MAILS_AN_HOUR):
        await office.comes(mail(own_id=f"<{number}@example.com>"))
    with pytest.raises(smtplib.SMTPDataError) as caught:
        await asyncio.to_thread(
            _deliver, server.port, [office.address], mail(own_id="<more@example.com>")
        )
    assert caught.value.smtp_code == 451


async def test_mails_are_taken_out_of_a_mailbox(office: Office) -> None:
    await office.mails.take_from_box(mail(to=f"Shop <{office.address}>"))
    await office.mails.take_from_box(mail(to="other@shop.example", own_id="<9@e>"))
    assert [one["subject"] for one in await office.cases()] == ["Broken"]
