"""A workspace's share of what is expensive: beyond it a 429, and the others go on."""

import asyncio
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from tests.support.api import patient_app

from rapport_common.auth import Operator, operator
from rapport_common.errors import BusyError
from rapport_common.limits import WorkspaceLimit
from rapport_common.testing.credentials import mint


class Gate:
    """An expensive request: it has begun `running` times, and ends when the gate opens."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.running = asyncio.Semaphore(0)

    def app(self) -> FastAPI:
        limit = WorkspaceLimit("previews", each=2, total=3, retry_after=7)
        caller = Depends(limit.of(operator("segments:read")))
        app = patient_app("segment")

        @app.get("/slow")
        async def slow(one: Annotated[Operator, caller]) -> dict[str, str]:
            self.running.release()
            await self.opened.wait()
            return {"workspace": one.workspace}

        return app


def bearer(workspace: str) -> dict[str, str]:
    token = mint(workspace, "ada", ["*"], timedelta(hours=1))
    return {"Authorization": f"Bearer {token}"}


async def test_beyond_its_share_a_workspace_is_told_when_to_come_back() -> None:
    gate = Gate()
    transport = httpx.ASGITransport(gate.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def ask(workspace: str) -> httpx.Response:
            return await client.get("/slow", headers=bearer(workspace))

        held = [asyncio.ensure_future(ask("a")) for _ in range(2)]
        await gate.running.acquire()
        await gate.running.acquire()
        refused = await ask("a")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
        assert refused.json()["code"] == "busy"
        held.append(asyncio.ensure_future(ask("b")))
        await gate.running.acquire()
        assert (await ask("c")).status_code == 429
        gate.opened.set()
        assert [(await one).status_code for one in held] == [200] * 3
        assert (await ask("a")).status_code == 200
        assert (await client.get("/slow")).status_code == 401


def test_a_place_is_given_back_whatever_happens() -> None:
    limit = WorkspaceLimit("things", each=1, total=1)
    for _ in range(3):
        with pytest.raises(KeyError), limit.place("a"):
            raise KeyError
    with limit.place("a"), pytest.raises(BusyError), limit.place("b"):
        pass
