"""The process that renders: what one template does costs its own message and nobody else's."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_campaign import nursery
from rapport_campaign.domain.model import Claimed, Content, State
from rapport_campaign.nursery import Child, Nursery
from rapport_campaign.render.compose import Composer, Job, Mail, Office
from rapport_campaign.render.wire import Source
from rapport_campaign.renderer import NOT_YET, Refusal, Renderer
from rapport_common.events.profile import ComputedState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFICE = Office(b"k" * 32, "https://mail.shop.example", "no-reply@mail.shop.example")
ENDLESS = "{{" * 32_000
"""The engine's lexer looks for the end of each of these."""


def job(number: int, html: str, **data: Any) -> Job:
    claimed = Claimed(
        workspace="acme",
        send_key=f"{number:064x}",
        kind="request",
        purpose="service",
        campaign_id=None,
        occasion=f"r{number}",
        profile_id="p1",
        needed_version=0,
        to_address="ada@example.com",
        attempt=0,
        waits=0,
        traceparent=None,
        waited=timedelta(),
    )
    content = Content("Hello", html, None, msgspec.json.encode(data))
    return Job(claimed, "ada@example.com", None, content=content)


@pytest.fixture
async def one() -> AsyncIterator[Renderer]:
    renderer = Renderer(OFFICE, seconds=0.5)
    yield renderer
    await renderer.close()


@pytest.fixture(scope="module")
def own_nursery() -> Iterator[Nursery]:
    made = nursery.begin()
    yield made
    made.close()
    # It ends by itself.
    os.waitpid(made.pid, 0)


@pytest.fixture(params=["program", "nursery"])
async def any_kind(request: Any) -> AsyncIterator[Renderer]:
    """A renderer, wherever it comes from."""
    forked = request.param == "nursery"
    source = request.getfixturevalue("own_nursery") if forked else None
    renderer = Renderer(OFFICE, seconds=0.5, nursery=source)
    yield renderer
    await renderer.close()


def soon(seconds: float = HANG_SECONDS) -> float:
    return time.monotonic() + seconds


async def test_money_is_a_number_and_a_missing_time_is_nothing(one: Renderer) -> None:
    html = (
        "{% if profile.computed.revenue.EUR > 100 %}VIP{% else %}POOR{% endif %} "
        "{{ profile.computed.revenue.EUR }} {{ profile.computed.revenue.EUR | plus: 1 }} "
        "[{{ profile.computed.last_order_at | date: '%d.%m.%Y' }}]"
    )
    computed = ComputedState(orders=1, revenue={"EUR": "120.50"})
    known = State(identifiers=[], traits=msgspec.Raw(b"{}"), computed=computed)
    mail = Composer(OFFICE).compose(replace(job(1, html), state=known), NOW)
    assert isinstance(mail, Mail)
    assert b"VIP 120.50 121.5 []" in mail.data
    (same,) = await one.compose([replace(job(1, html), state=known)], NOW, until=soon())
    assert isinstance(same, Mail)
    assert b"VIP 120.50 121.5 []" in same.data


def test_a_mail_goes_on_with_its_thread_and_no_line_begins_there() -> None:
    """Answers go where the request says, also where there is an address of ours for them."""
    office = replace(OFFICE, reply_domain="replies.shop.example")
    plain = Composer(office).compose(job(1, "<p>x</p>"), NOW)
    assert isinstance(plain, Mail)
    assert b"Reply-To: <r+" in plain.data
    assert b"In-Reply-To" not in plain.data
    one = job(1, "<p>x</p>")
    assert one.content is not None
    content = replace(
        one.content, reply_to="c+w@shop.example\r\nBcc: x", references="<1@a> <2@b>\r\nX-Evil: y"
    )
    mail = Composer(office).compose(replace(one, content=content), NOW)
    assert isinstance(mail, Mail)
    head = mail.data.partition(b"\r\n\r\n")[0]
    assert b"Reply-To: <c+w@shop.example" in head
    assert b"References: <1@a> <2@b>" in head
    assert b"\nBcc:" not in head
    assert b"\nX-Evil:" not in head
    assert b"<r+" not in head


async def test_a_request_has_no_variables_but_its_own(one: Renderer) -> None:
    html = (
        "a\n{{ nope.nope }}",
        "{{ unsubscribe_url }}",
        "{{ data.any.thing }}{{ profile.email }}",
    )
    found = await one.compose([job(n, part) for n, part in enumerate(html)], NOW, until=soon())
    first, second, third = found
    assert isinstance(first, Refusal)
    assert first.reason == "template in line 2, column 4: there is no variable nope.nope"
    assert isinstance(second, Refusal)
    assert isinstance(third, Mail)


async def test_a_template_that_does_not_end_costs_its_own_message(one: Renderer) -> None:
    jobs = [job(1, "<p>a</p>"), job(2, ENDLESS), job(3, "{{ data.n }}", n="<3"), job(4, "{% x %}")]
    first, endless, third, broken = await one.compose(jobs, NOW, until=soon())
    assert isinstance(first, Mail)
    assert isinstance(third, Mail)
    assert b"&lt;3" in third.data
    assert endless == Refusal("template: it takes more than 0.5 s")
    assert isinstance(broken, Refusal)
    assert "line 1" in broken.reason


async def test_a_process_that_is_ended_is_replaced_and_nothing_is_lost(
    any_kind: Renderer,
) -> None:
    one = any_kind
    await one.compose([job(1, "x")], NOW, until=soon())
    assert one._process is not None
    os.kill(one._process.pid, signal.SIGKILL)
    found = await one.compose([job(number, "x") for number in range(5)], NOW, until=soon())
    assert all(isinstance(answer, Mail) for answer in found)


async def test_a_process_that_is_frozen_is_ended(any_kind: Renderer) -> None:
    one = any_kind
    one.patience = 1
    await one.compose([job(1, "x")], NOW, until=soon())
    assert one._process is not None
    frozen = one._process.pid
    os.kill(frozen, signal.SIGSTOP)
    one.patience = 20
    task = asyncio.create_task(one.compose([job(1, "x"), job(2, "y")], NOW, until=soon(1)))
    assert await task == [NOT_YET, NOT_YET]
    found = await one.compose([job(1, "x"), job(2, "y")], NOW, until=soon())
    assert all(isinstance(answer, Mail) for answer in found)
    assert one._process.pid != frozen


async def test_without_the_nursery_a_renderer_is_a_program() -> None:
    gone = nursery.begin()
    first, other = (Renderer(OFFICE, seconds=0.5, nursery=gone) for _ in range(2))
    await first.compose([job(1, "x")], NOW, until=soon())
    os.kill(gone.pid, signal.SIGKILL)
    os.waitpid(gone.pid, 0)
    assert first._process is not None
    # What it has made goes on, and what it can't make any more is made otherwise.
    for one in (first, other):
        assert isinstance((await one.compose([job(2, "y")], NOW, until=soon()))[0], Mail)
    assert isinstance(first._process, Child)
    assert not isinstance(other._process, Child)
    # Nor can it end what is its own.
    first._process.kill()
    await first._process.wait()
    for one in (first, other):
        await one.close()
    gone.close()


async def test_a_nursery_that_does_not_answer_is_asked_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nursery, "BORN_SECONDS", 0.1)
    frozen = nursery.begin()
    os.kill(frozen.pid, signal.SIGSTOP)
    assert await frozen.child() is None
    assert await frozen.child() is None
    # When it goes on there is nobody who asks.
    os.kill(frozen.pid, signal.SIGCONT)
    os.waitpid(frozen.pid, 0)


async def test_who_is_cancelled_in_the_queue_of_a_nursery_takes_it_from_nobody() -> None:
    shared = nursery.begin()
    os.kill(shared.pid, signal.SIGSTOP)
    asked, waiting = (asyncio.create_task(shared.child()) for _ in range(2))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    os.kill(shared.pid, signal.SIGCONT)
    for born in (await asked, await shared.child()):
        assert born is not None
        born.kill()
        await born.wait()
    shared.close()
    os.waitpid(shared.pid, 0)


async def test_a_nursery_lives_where_ends_of_children_are_not_heard_of() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        deaf = nursery.begin()
    finally:
        signal.signal(signal.SIGCHLD, before)
    for _ in range(3):
        born = await deaf.child()
        assert born is not None
        born.kill()
        await born.wait()
    deaf.close()
    os.waitpid(deaf.pid, 0)


async def test_renderers_of_a_nursery_are_buried(own_nursery: Nursery) -> None:
    """Those that were killed and those that have ended: no process is left of them."""
    one = Renderer(OFFICE, seconds=0.5, nursery=own_nursery)
    pids = []
    for number in range(2):
        await one.compose([job(1, "x")], NOW, until=soon())
        assert isinstance(one._process, Child)
        pids.append(one._process.pid)
        if number:
            await one.close()
        else:
            os.kill(pids[0], signal.SIGKILL)
            await one._process.wait()
    # It looks whenever it is asked for something.
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        own_nursery.kill(pids[0])
        await between_looks()


async def test_what_there_is_no_time_for_is_not_tried(one: Renderer) -> None:
    assert await one.compose([job(1, "x")], NOW, until=soon(-1)) == [NOT_YET]


async def test_a_template_that_can_not_be_read_in_time_is_a_problem(one: Renderer) -> None:
    sources = [Source(ENDLESS, html=True), Source("{{ profile.email }}", html=True)]
    endless, fine = await one.check(sources)
    assert [problem.message for problem in endless] == ["the template takes too long to read"]
    assert fine == []
