"""How a process starts and ends: who needs Kafka waits for it, and the edge stops first."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI
from tests.support.waiting import HANG_SECONDS, between_looks

from rapport_common import runtime
from rapport_common.http import Health
from rapport_common.kafka.topic_maker import AfterTopics


class Counting:
    """A worker that has to outlive the last request: it notes when it is told to stop."""

    name = "counting"

    def __init__(self) -> None:
        self.order: list[str] = []
        self.signs = 0

    def give_sign(self) -> None:
        self.signs += 1

    async def run(self, stop: asyncio.Event) -> None:
        self.order.append("worker began")
        await stop.wait()
        self.order.append("worker stopped")


async def test_the_last_request_is_answered_before_the_workers_stop() -> None:
    worker, began, answer = Counting(), asyncio.Event(), asyncio.Event()
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> dict[str, bool]:
        began.set()
        await answer.wait()
        worker.order.append("answered")
        return {"done": True}

    server = runtime._server(app, "127.0.0.1", 0)
    leave, health = asyncio.Event(), Health()
    running = asyncio.create_task(runtime._run_all(server, [worker], leave, health))
    async with asyncio.timeout(HANG_SECONDS), httpx.AsyncClient(timeout=HANG_SECONDS) as client:
        while not server.started:
            await between_looks()
        port = server.servers[0].sockets[0].getsockname()[1]
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/slow"))
        await began.wait()
        leave.set()
        while not health.draining:
            await between_looks()
        # The door is shut by now, and what is inside goes on.
        answer.set()
        assert (await asked).json() == {"done": True}
        await running
    assert worker.order == ["worker began", "answered", "worker stopped"]


class Topics:
    """Topics that are made when the test says so."""

    def __init__(self) -> None:
        self.made = asyncio.Event()


async def test_who_needs_the_topics_waits_for_them_and_says_that_it_lives() -> None:
    topics: Any = Topics()
    worker, stop = Counting(), asyncio.Event()
    waiting = asyncio.create_task(AfterTopics(topics, worker).run(stop))
    async with asyncio.timeout(HANG_SECONDS):
        while not worker.signs:
            await between_looks()
        assert not worker.order
        topics.made.set()
        while not worker.order:
            await between_looks()
        stop.set()
        await waiting
    assert worker.order == ["worker began", "worker stopped"]


async def test_who_waits_for_topics_can_be_stopped() -> None:
    topics: Any = Topics()
    worker, stop = Counting(), asyncio.Event()
    waiting = asyncio.create_task(AfterTopics(topics, worker).run(stop))
    stop.set()
    await asyncio.wait_for(waiting, HANG_SECONDS)
    assert not worker.order
