"""One suite for all channels: what each adapter makes of whatever a provider does."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from services.campaign.tests.vendors.chatting import Receiver, WeChat, WhatsApp
from services.campaign.tests.vendors.pushing import Apns, Fcm, PushService
from services.campaign.tests.vendors.server import Answer, Mood, Vendor, said
from services.campaign.tests.vendors.texting import Aliyun, Tencent, Twilio

from rapport_campaign.channels import (
    aliyun,
    apns,
    fcm,
    tencent,
    twilio,
    web_push,
    wechat,
    whatsapp,
)
from rapport_campaign.channels.contract import ACCOUNT, Adapter, Codes
from rapport_campaign.channels.http import MOST_ANSWER, Http, Request
from rapport_campaign.channels.making import ADAPTERS, adapter
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.parcels import Content, Notification, Parcel, Post, Templated, Text
from rapport_campaign.domain.providers import VENDORS, completed, fields_of
from rapport_common.outside.addresses import networks

LOOPBACK = networks("127.0.0.0/8")

KINDS: dict[str, type[Vendor]] = {
    one.name: one
    for one in (Twilio, Aliyun, Tencent, Fcm, PushService, Apns, WeChat, WhatsApp, Receiver)
}
CODES: dict[str, Codes] = {
    "twilio": twilio.CODES,
    "aliyun": aliyun.CODES,
    "tencent": {
        **tencent.CODES,
        "AuthFailure.SecretIdNotFound": ACCOUNT,
        "UnauthorizedOperation.SdkAppIdIsDisabled": ACCOUNT,
    },
    "fcm": fcm.CODES,
    "web_push": {str(status): meaning for status, meaning in web_push.STATUSES.items()},
    "apns": apns.CODES,
    "wechat": wechat.CODES,
    "whatsapp": whatsapp.CODES,
}
ODD = ("+1\r\nX-Evil: 1", "", "\0", "\ud800", "../../x", "你好", "{}", "[1]")
ODD_ANSWERS: tuple[dict[str, Any], ...] = (
    {"code": {"a": 1}},
    {"error": "x"},
    {"Response": 7},
    {"errcode": [1]},
    {"error": []},
)
EVERY = pytest.mark.parametrize("name", sorted(KINDS))


def content(name: str, text: str = "Hello") -> Content:
    """One that a channel takes."""
    channel = VENDORS[name].channel
    if channel == "sms":
        return Text(text, template="SMS_1", parameters={"name": text})
    if channel in {"push", "web_push"}:
        return Notification("Shop", text, url="https://shop.example", data={"order": "7"})
    if channel in {"wechat", "whatsapp"}:
        return Templated("welcome", parameters={"first": text})
    return Post("order.shipped", json.dumps({"text": text}).encode())


@dataclass
class Line:
    """An adapter and the provider that it speaks to."""

    vendor: Vendor
    adapter: Adapter
    http: Http

    def parcel(self, text: str = "Hello", message_id: str = "m1") -> Parcel:
        return Parcel(message_id, self.vendor.address, content(self.vendor.name, text))

    async def send(self, *moods: Mood, text: str = "Hello", message_id: str = "m1") -> Outcome:
        self.vendor.moods.extend(moods)
        return await self.adapter.send(self.parcel(text, message_id))

    @property
    def is_one(self) -> bool:
        """Whether there is a provider whose faults are those of all messages."""
        return self.vendor.name != "web_push"


def line_to(vendor: Vendor, http: Http, secrets: dict[str, str] | None = None) -> Line:
    settings, right = vendor.account()
    known = VENDORS[vendor.name]
    whole = completed(fields_of(known), settings)
    kept = completed(known.secrets, secrets or right)
    return Line(vendor, adapter(http, vendor.name, whole, kept), http)


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[Http]:
    """As in a process: one for all."""
    one = Http(LOOPBACK)
    yield one
    await one.close()


@pytest.fixture
async def vendor(name: str) -> AsyncIterator[Vendor]:
    one = KINDS[name]()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
def line(vendor: Vendor, http: Http) -> Line:
    return line_to(vendor, http)


def test_every_vendor_has_an_adapter_and_a_server() -> None:
    assert ADAPTERS.keys() == VENDORS.keys() == KINDS.keys()
    assert {one.channel for one in VENDORS.values()} == {
        kind.channel  # type: ignore[attr-defined] # a class is what makes them
        for kind in ADAPTERS.values()
    }


@EVERY
async def test_what_is_sent_arrives(line: Line) -> None:
    outcome = await line.send(text="Hé 你好 🎉")
    assert outcome.result == "sent", outcome
    [(_address, text)] = line.vendor.taken
    assert "Hé 你好 🎉" in text or "你好" in json.loads(text).get(
        "text", json.loads(text).get("name")
    )
    if line.vendor.name not in {"webhook", "apns"}:
        assert outcome.provider_id is not None
        assert line.vendor.name in outcome.provider_id


@EVERY
async def test_a_connection_is_used_again(line: Line) -> None:
    results = [(await line.send(message_id=f"m{number}")).result for number in range(3)]
    assert results == ["sent"] * 3
    assert len(line.vendor.taken) == 3


@pytest.mark.parametrize("name", sorted(CODES))
async def test_each_documented_code_has_its_meaning(line: Line, name: str) -> None:
    for code, meaning in CODES[name].items():
        line.vendor.code = code
        outcome = await line.send()
        assert (outcome.result, outcome.fault, outcome.contact) == meaning[:3], code
        assert outcome.wait == (meaning.wait if outcome.result in {"retry", "released"} else 0)
        assert code in str(outcome.reason)
    assert line.vendor.taken == []


@EVERY
async def test_too_many_are_tried_again_when_it_says(line: Line) -> None:
    outcome = await line.send(Mood(Answer(429, b"{}", {"retry-after": "7"})))
    assert (outcome.result, outcome.wait) == ("retry", 7)
    assert outcome.fault == ("pace" if line.is_one else None)
    dated = Answer(503, b"", {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"})
    outcome = await line.send(Mood(dated))
    assert (outcome.result, outcome.wait) == ("retry", 10**6)


@EVERY
async def test_one_that_is_away_is_tried_again(line: Line) -> None:
    outcome = await line.send(Mood(Answer(503)))
    assert outcome.result == "retry"
    assert outcome.fault == ("vendor" if line.is_one else None)
    assert (await line.send()).result == "sent"


@EVERY
async def test_an_error_in_between_leaves_it_open(line: Line) -> None:
    for status in (500, 502, 504, 599):
        outcome = await line.send(Mood(Answer(status, b"<html>Bad Gateway</html>")))
        assert outcome.result == ("retry" if line.adapter.honours_keys else "uncertain")


@EVERY
async def test_a_connection_that_is_lost_behind_the_message(line: Line) -> None:
    """It was read, and perhaps taken: nobody sends it twice, but where a key makes it one."""
    outcome = await line.send(Mood(drops=True))
    if line.vendor.name == "wechat":
        # Sent again at once, by the same key.
        assert (outcome.result, len(line.vendor.taken)) == ("sent", 1)
        line.vendor.taken.clear()
        outcome = await line.send(Mood(drops=True), Mood(drops=True), message_id="m2")
    assert len(line.vendor.taken) == 1
    assert outcome.result == ("retry" if line.adapter.honours_keys else "uncertain")
    assert outcome.fault == ("vendor" if line.is_one else None)
    if line.adapter.honours_keys:
        assert (await line.send()).result == "sent"
        assert len(line.vendor.taken) == 1


@EVERY
async def test_no_answer_in_time(vendor: Vendor) -> None:
    limits: list[asyncio.Timeout] = []

    def limit(seconds: float) -> asyncio.Timeout:
        limits.append(asyncio.timeout(seconds))
        return limits[-1]

    line = line_to(vendor, http := Http(LOOPBACK, limit=limit))
    sending = asyncio.create_task(line.send(Mood(silent=True), Mood(silent=True)))
    while True:
        # Each time that it has taken something and is silent about it, time is over.
        silent = asyncio.create_task(vendor.is_silent.wait())
        await asyncio.wait({silent, sending}, return_when=asyncio.FIRST_COMPLETED)
        silent.cancel()
        if sending.done():
            break
        vendor.is_silent.clear()
        limits[-1].reschedule(0)
        await asyncio.sleep(0)
    assert (await sending).result == ("retry" if line.adapter.honours_keys else "uncertain")
    await http.close()


@EVERY
async def test_an_answer_that_comes_late_is_nobody_elses(line: Line, name: str) -> None:
    """Two answers to one message: the second is not taken for that of the next one."""
    if name == "apns":
        pytest.skip("HTTP/2 says which request an answer is to")
    first = await line.send(Mood(times=2), text="one", message_id="m1")
    second = await line.send(text="two", message_id="m2")
    assert (first.result, second.result) == ("sent", "sent")
    if name != "webhook":
        assert first.provider_id != second.provider_id
    assert len(line.vendor.taken) == 2


@EVERY
async def test_nobody_there_leaves_all_as_it_was(name: str, http: Http) -> None:
    vendor = KINDS[name]()
    await vendor.start()
    line = line_to(vendor, http)
    parcel = line.parcel()
    await vendor.stop()
    outcome = await line.adapter.send(parcel)
    # A browser's push service is one of many: an attempt counts.
    assert outcome.result == ("released" if line.is_one else "retry")
    assert "no connection" in str(outcome.reason) or "no access token" in str(outcome.reason)


@EVERY
async def test_a_yes_without_sense_is_no_yes(line: Line) -> None:
    for body in (b"<html>welcome</html>", b'{"a":' * 9000, b"[]", b"null", b"\xff"):
        outcome = await line.send(Mood(Answer(200, body)))
        if line.vendor.at_once or line.vendor.name == "apns":
            assert outcome.result == "sent", "its status says all"
        else:
            assert outcome.result == "uncertain"


@EVERY
@pytest.mark.parametrize("status", [200, 400])
async def test_what_is_huge_is_not_read(line: Line, status: int) -> None:
    outcome = await line.send(Mood(Answer(status, b'{"sid": "' + b"x" * 2_000_000 + b'"}')))
    if status == 400:
        assert outcome.result == "failed"
    elif line.vendor.at_once or line.vendor.name == "apns":
        assert outcome.result == "sent"
    else:
        assert outcome.result == "uncertain"
    assert len(str(outcome.reason)) < 1000
    assert (await line.send(message_id="m2")).result == "sent"


@EVERY
async def test_what_no_server_should_say(line: Line) -> None:
    for body in ODD_ANSWERS:
        outcome = await line.send(Mood(said(418, body)))
        assert outcome.result == "failed"


@EVERY
@pytest.mark.parametrize("status", [200, 401, 429, 503])
async def test_what_nothing_can_be_made_of_ends_nobody(line: Line, status: int) -> None:
    """A process sends for all: what one provider says must never raise."""
    headers = {"retry-after": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", "location": "https://["}
    body = b'{"sid": "a\\u0000b", "message": "c\\u0000d", "code": "e\\u0000f", "expires_in": 1'
    for answer in (body + b"0" * 400 + b"}", body + b"}"):
        outcome = await line.send(Mood(Answer(status, answer, headers)))
        assert "\0" not in f"{outcome.reason}{outcome.provider_id}"
        assert outcome.wait < 10**6


@EVERY
async def test_a_bug_of_ours_ends_one_message(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_parcel: Parcel) -> Outcome:
        raise KeyError("sid")

    monkeypatch.setattr(line.adapter, "_send", fails)
    outcome = await line.adapter.send(line.parcel())
    assert outcome.result == ("retry" if line.adapter.honours_keys else "uncertain")


@EVERY
async def test_nobody_is_followed_elsewhere(line: Line, http: Http) -> None:
    other = KINDS[line.vendor.name]()
    await other.start()
    outcome = await line.send(Mood(Answer(307, b"", {"location": f"{other.url}/"})))
    assert outcome.result == ("released" if line.is_one else "failed")
    assert outcome.fault == ("account" if line.is_one else None)
    assert other.asked == []
    await other.stop()


@EVERY
async def test_wrong_credentials_are_the_accounts_fault(vendor: Vendor, http: Http) -> None:
    """Nobody's message is given up: all wait until somebody has put that right."""
    line = line_to(vendor, http, vendor.wrong())
    outcome = await line.send()
    assert vendor.taken == []
    if line.is_one:
        assert (outcome.result, outcome.fault) == ("released", "account")
        checked = await line.adapter.check()
        assert (checked.result, checked.fault) == ("released", "account")
    else:
        assert outcome.result == "retry"
    assert outcome.reason
    assert all(one not in str(outcome.reason) for one in vendor.wrong().values())


@EVERY
async def test_an_account_is_asked_about(line: Line) -> None:
    assert (await line.adapter.check()).result == "sent"
    assert line.vendor.taken == []
    if line.is_one:
        line.vendor.moods.append(Mood(drops=True))
        line.vendor.moods.append(Mood(drops=True))
        assert (await line.adapter.check()).result in {"released", "retry", "sent"}


@EVERY
async def test_another_channels_content_is_refused_unsent(line: Line, name: str) -> None:
    wrong: Content = Post("x", b"{}") if name != "webhook" else Text("x")
    before = len(line.vendor.asked)
    outcome = await line.adapter.send(Parcel("m1", line.vendor.address, wrong))
    assert outcome.result == "failed"
    assert "this channel takes" in str(outcome.reason)
    assert len(line.vendor.asked) == before


@EVERY
async def test_an_odd_address_is_no_more_than_that(line: Line) -> None:
    """It may be refused, and it never is a header, a path, or an error of ours."""
    for address in (*ODD, "a" * 5000):
        outcome = await line.adapter.send(Parcel("m1", address, content(line.vendor.name)))
        assert outcome.result in {"sent", "failed", "released", "retry"}, address
    for asked in line.vendor.asked:
        assert "x-evil" not in asked.headers
        assert ".." not in asked.path


@EVERY
async def test_many_at_once(line: Line) -> None:
    parcels = [line.parcel(message_id=f"m{number}") for number in range(40)]
    outcomes = await asyncio.gather(*map(line.adapter.send, parcels))
    assert {one.result for one in outcomes} == {"sent"}
    assert len(line.vendor.taken) == 40


@EVERY
async def test_what_is_beside_us_is_not_spoken_to(vendor: Vendor) -> None:
    line = line_to(vendor, http := Http())
    outcome = await line.send()
    assert outcome.result == ("released" if line.is_one else "retry")
    assert "private network" in str(outcome.reason)
    assert vendor.asked == []
    await http.close()


async def test_what_apns_takes_is_told(http: Http) -> None:
    vendor = Apns()
    await vendor.start()
    line = line_to(vendor, http)
    big = Notification("x", "y" * 5000)
    outcome = await line.adapter.send(Parcel("m1", vendor.address, big))
    assert (outcome.result, vendor.asked) == ("failed", [])
    await vendor.stop()


@pytest.mark.parametrize("name", ["fcm", "wechat"])
async def test_a_token_is_asked_for_once_and_again_when_it_is_refused(line: Line) -> None:
    vendor: Any = line.vendor
    await asyncio.gather(*(line.send(message_id=f"m{number}") for number in range(5)))
    assert len(vendor.tokens) == 1
    # The provider has taken it back.
    vendor.tokens.append("another")
    outcomes = await asyncio.gather(*(line.send(message_id=f"n{number}") for number in range(5)))
    assert {one.result for one in outcomes} == {"sent"}
    assert len(vendor.tokens) == 3
    assert len(vendor.taken) == 10


async def test_so_much_of_an_answer_is_read_at_most(http: Http) -> None:
    vendor = Twilio()
    await vendor.start()
    vendor.moods.append(Mood(Answer(200, b"x" * 10 * MOST_ANSWER)))
    reply = await http.ask(Request("POST", vendor.url))
    assert (len(reply.body), reply.is_whole) == (MOST_ANSWER, False)
    await vendor.stop()


def test_the_guide_tells_every_code() -> None:
    page = (Path(__file__).parents[3] / "docs/guides/channels.md").read_text()
    for name, codes in CODES.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| {name} | ")]
        known = codes if name != "tencent" else tencent.CODES
        assert [code for code in known if f"`{code}`" not in row] == [], name
        assert row.count("`") == 2 * len(known), name
