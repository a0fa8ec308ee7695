"""Providers are asked what became of messages of which nobody knows whether they were taken."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import publisher
from services.campaign.tests.test_channel_campaigns import NUMBER, entered, person, said, shown
from services.campaign.tests.test_channel_campaigns import started as begun
from services.campaign.tests.test_channels import KINDS, LOOPBACK, Line, content, line_to
from services.campaign.tests.test_providers import added
from services.campaign.tests.vendors.server import Answer, Mood, Vendor
from services.campaign.tests.vendors.texting import Twilio

from rapport_campaign.channels.http import Http
from rapport_campaign.channels.making import ADAPTERS, ASKED
from rapport_campaign.domain.delivery import Limits
from rapport_campaign.domain.inquiries import (
    AGAIN,
    AROUND,
    GRACE,
    LONGEST,
    Finding,
    Question,
    Record,
    digest_of,
    first_new,
    next_time,
)
from rapport_campaign.domain.vendors.posts import Post
from rapport_campaign.domain.vendors.twilio import told as read
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.dispatch import Dispatcher
from rapport_campaign.handlers.inquiring import Inquirer
from rapport_campaign.handlers.ledger import count
from rapport_campaign.handlers.outcomes import Outcomes
from rapport_campaign.sender import Sender
from rapport_campaign.store.moves import Move
from rapport_common import clock
from rapport_common.testing.credentials import LINK_KEY

EACH = pytest.mark.parametrize("name", sorted(ASKED))
SOON = GRACE + timedelta(seconds=1)


@pytest.fixture
async def line(name: str) -> AsyncIterator[Line]:
    vendor, http = KINDS[name](), Http(LOOPBACK)
    await vendor.start()
    yield line_to(vendor, http)
    await http.close()
    await vendor.stop()


def question(vendor: Vendor, text: str = "Hello", message_id: str = "m1") -> Question:
    told = digest_of(content(vendor.name, text))
    return Question(message_id, vendor.address, clock.now(), told)


# --- the contract ----------------------------------------------------------------------------


def test_who_can_be_asked_says_so() -> None:
    assert {"twilio", "aliyun", "tencent"} == ASKED
    assert ADAPTERS.keys() > ASKED


@EACH
async def test_what_was_taken_without_an_answer_is_found(line: Line) -> None:
    assert (await line.send(Mood(drops=True))).result == "uncertain"
    finding = await line.adapter.ask(question(line.vendor))
    [record] = finding.records
    assert (record.failed, finding.fault) == (False, None)
    # Aliyun's list has no id of its own.
    assert record.provider_id == ("" if line.vendor.name == "aliyun" else f"{line.vendor.name}-1")
    line.vendor.records[0].failed = True
    [record] = (await line.adapter.ask(question(line.vendor))).records
    assert record.failed
    assert record.reason


@EACH
async def test_what_was_never_taken_is_not_found_and_nobody_elses_is(line: Line) -> None:
    assert list((await line.adapter.ask(question(line.vendor))).records) == []
    # To the same number, another text and by another key.
    await line.send(text="Another", message_id="m2")
    assert list((await line.adapter.ask(question(line.vendor))).records) == []
    later = replace(question(line.vendor), at=clock.now() + 3 * AROUND + timedelta(days=4))
    assert list((await line.adapter.ask(later)).records) == []
    assert len(line.vendor.taken) == 1, "asking sends nothing"


@EACH
async def test_who_does_not_answer_has_said_nothing(
    line: Line, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [Answer(500), Answer(200, b"<html>"), Answer(200, b"[]"), Answer(200, b'{"messages": 1}')]
    monkeypatch.setattr(line.vendor, "answer", lambda _asked: odd.pop(0))
    for _ in range(len(odd)):
        finding = await line.adapter.ask(question(line.vendor))
        assert (list(finding.records), finding.fault) == ([], "vendor")
    secrets = line.vendor.wrong()
    stranger = line_to(KINDS[line.vendor.name](), http, secrets)
    await stranger.vendor.start()
    told = line_to(stranger.vendor, http, secrets)
    assert (await told.adapter.ask(question(line.vendor))).fault == "account"
    await stranger.vendor.stop()
    assert (await told.adapter.ask(question(line.vendor))).fault == "vendor"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    one = Http(LOOPBACK)
    yield one
    await one.close()


def test_a_record_is_of_one_message_only() -> None:
    found = Finding([Record("a"), Record("b")])
    assert first_new(found, {"a"}) == Record("b")
    assert first_new(found, {"a", "b"}) is None
    now = clock.now()
    times = [next_time(number, now) for number in range(1, len(AGAIN) + 2)]
    assert times == [*(now + one for one in AGAIN), None]


# --- the worker ------------------------------------------------------------------------------


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    server = Twilio()
    await server.start()
    yield server
    await server.stop()


class Asking:
    """A worker whose clock is as far ahead as a test sets it."""

    def __init__(self, scenario: Any, carriers: Carriers) -> None:
        self.all, self.ahead = scenario, timedelta(0)
        self.inquirer = Inquirer(scenario.engine, carriers, publisher(), now=self.now)

    def now(self) -> datetime:
        return clock.now() + self.ahead

    async def later(self, by: timedelta = SOON) -> int:
        self.ahead += by
        return await self.inquirer.turn()

    async def open(self) -> int:
        [row] = await self.all.ledger.query("SELECT count(*) AS n FROM campaign.inquiry")
        return int(row["n"])


@pytest.fixture
def asking(scenario: Any, carriers: Carriers) -> Asking:
    return Asking(scenario, carriers)


async def lost(scenario: Any, twilio: Twilio, mood: Mood, **account: Any) -> str:
    """A text of which nobody knows whether Twilio has taken it; the path of its campaign."""
    await added(scenario.client, twilio, **account)
    path = await begun(scenario)
    await entered(scenario, person([said("granted")]))
    twilio.moods.append(mood)
    assert await scenario.turn()
    assert (await shown(scenario, path))["state"] == "uncertain"
    return path


@pytest.mark.integration
async def test_what_it_has_is_sent_and_says_who_says_so(
    scenario: Any, twilio: Twilio, asking: Asking
) -> None:
    path = await lost(scenario, twilio, Mood(drops=True))
    assert await asking.later(timedelta(minutes=2)) == 0, "its list may lag behind"
    assert await asking.later() == 1
    one = await shown(scenario, path)
    assert one["state"] == "sent"
    assert one["reason"] == "provider query: twilio (Twilio) has it as twilio-1"
    [row] = await scenario.ledger.query("SELECT provider_id FROM campaign.delivery")
    assert row["provider_id"] == "twilio-1"
    [event] = await scenario.ledger.events()
    assert event.name == "Message Sent"
    assert (await asking.open(), len(twilio.taken)) == (0, 1)


@pytest.mark.integration
async def test_what_it_could_not_deliver_has_failed(
    scenario: Any, twilio: Twilio, asking: Asking
) -> None:
    path = await lost(scenario, twilio, Mood(drops=True))
    twilio.records[0].failed = True
    assert await asking.later() == 1
    one = await shown(scenario, path)
    assert (one["state"], "undelivered 30005" in one["reason"]) == ("failed", True)
    assert await scenario.ledger.query("SELECT * FROM campaign.contact") == []


@pytest.mark.integration
async def test_what_is_not_found_stays_uncertain_and_is_not_asked_about_for_ever(
    scenario: Any, twilio: Twilio, asking: Asking
) -> None:
    path = await lost(scenario, twilio, Mood(Answer(502)))
    asked = len(twilio.asked)
    assert await asking.later() == 0
    for delay in AGAIN:
        assert await asking.open() == 1
        await asking.later(delay + timedelta(seconds=1))
    assert (await asking.open(), len(twilio.asked) - asked) == (0, 1 + len(AGAIN))
    assert (await shown(scenario, path))["state"] == "uncertain"
    assert twilio.taken == []


@pytest.mark.integration
async def test_while_it_is_away_it_is_left_alone_and_asked_later(
    scenario: Any, twilio: Twilio, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await lost(scenario, twilio, Mood(drops=True))
    asked = len(twilio.asked)
    with monkeypatch.context() as patched:
        patched.setattr(twilio, "answer", lambda _asked: Answer(401, b'{"code": 20003}'))
        await asking.later()
    assert len(twilio.asked) - asked == 1
    [row] = await scenario.ledger.query("SELECT reason FROM campaign.provider_standing")
    assert "20003" in row["reason"]
    await scenario.ledger.change("UPDATE campaign.provider_standing SET open_until = 1e12")
    await asking.later()
    assert len(twilio.asked) - asked == 1, "its account is left alone"
    await scenario.ledger.change("UPDATE campaign.provider_standing SET open_until = 0")
    assert await asking.later() == 1
    assert (await shown(scenario, path))["state"] == "sent"


@pytest.mark.integration
async def test_who_can_never_be_asked_is_asked_no_more_after_a_week(
    scenario: Any, twilio: Twilio, asking: Asking
) -> None:
    path = await lost(scenario, twilio, Mood(drops=True))
    await scenario.ledger.change("UPDATE campaign.provider_standing SET open_until = 1e12")
    await asking.later(LONGEST - timedelta(hours=1))
    assert await asking.open() == 1
    await asking.later(timedelta(hours=2))
    assert await asking.open() == 0
    assert (await shown(scenario, path))["state"] == "uncertain"


@pytest.mark.integration
async def test_of_two_that_say_the_same_to_one_number_each_has_its_own(
    scenario: Any, twilio: Twilio, asking: Asking
) -> None:
    """One was taken; of the other nobody knows, and nobody says that it was."""
    await added(scenario.client, twilio)
    paths = [await begun(scenario, name=name) for name in ("One", "Two")]
    twilio.moods.extend([Mood(drops=True), Mood(Answer(502))])
    await entered(scenario, person([said("granted")]))
    while await scenario.turn():
        pass
    assert await asking.later() == 1
    states = sorted([(await shown(scenario, path))["state"] for path in paths])
    assert (states, len(twilio.taken)) == (["sent", "uncertain"], 1)


@pytest.mark.integration
async def test_what_a_killed_sender_had_handed_over_is_asked_about(
    scenario: Any, twilio: Twilio, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies before it has written down what came of it; the lease runs out."""
    await added(scenario.client, twilio)
    path = await begun(scenario)
    await entered(scenario, person([said("granted")]))

    async def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Sender, "_note", dies)
        with pytest.raises(KeyboardInterrupt):
            await scenario.turn()
    assert (await asking.later(), await asking.open()) == (0, 1), "it is `sending` still"
    await scenario.ledger.change("UPDATE campaign.sending SET lease_until = now()")
    async with scenario.engine.begin() as tx:
        assert await Dispatcher(publisher(), Limits(60.0, 3, 0.1)).expire(tx) == 1
    assert await asking.later() == 1
    assert (await shown(scenario, path))["to_address"] == NUMBER
    assert (await shown(scenario, path))["state"] == "sent"


@pytest.mark.integration
@pytest.mark.parametrize("query", ["", "?a=1"])
async def test_or_twilio_tells_of_it_first_by_the_token_in_its_callback(
    scenario: Any, twilio: Twilio, asking: Asking, query: str
) -> None:
    """Nobody has told us what Twilio calls it."""
    callback = f"https://mail.shop.example/hooks/x/twilio{query}"
    more = {"settings": {**twilio.account()[0], "status_callback": callback}}
    path = await lost(scenario, twilio, Mood(drops=True), **more)
    url = twilio.asked[-1].form["StatusCallback"]
    assert url.startswith(f"{callback}{'&' if query else '?'}message=")
    [told] = read(Post(url, {}, b"MessageSid=SM1&MessageStatus=delivered", 0.0))
    outcomes, moved = Outcomes(publisher(), LINK_KEY), list[Move]()
    async with scenario.engine.begin() as tx:
        place = await outcomes.place(tx, told.said)
        assert place is not None
        assert told.report is not None
        assert await outcomes.take(tx, place, told.report, "webhook", moved)
        await count(tx, moved)
    assert (await shown(scenario, path))["state"] == "sent"
    asked = len(twilio.asked)
    assert (await asking.later(), await asking.open(), len(twilio.asked)) == (0, 0, asked)


@pytest.mark.integration
async def test_nothing_is_kept_of_what_is_known(
    scenario: Any, twilio: Twilio, asking: Asking
) -> None:
    await added(scenario.client, twilio)
    await begun(scenario)
    await entered(scenario, person([said("granted")]))
    assert await scenario.turn()
    assert await asking.open() == 0
