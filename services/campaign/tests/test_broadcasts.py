"""Broadcasts through the API, over a real database and mail server; loops are driven by hand."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from services.campaign.tests.conftest import SEGMENT
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_campaign.handlers.conducting import Conductor
from rapport_campaign.handlers.work import Works
from rapport_campaign.store.jobs import JOBS
from rapport_common import clock
from rapport_common.jobs.worker import Jobs

pytestmark = pytest.mark.integration
OTHER = "22222222-2222-2222-2222-222222222222"
SAID = ("purpose", "from_address", "subject", "html")


class Broadcasts:
    """What the tests do with them."""

    def __init__(self, scenario: Any) -> None:
        self.all = scenario
        self.body = {name: scenario.campaign_body[name] for name in SAID}

    async def people(self, *names: str, segment: str = SEGMENT) -> None:
        for name in names:
            await self.all.topics.person(name, f"{name}@example.com")
        for name in names:
            await self.all.topics.entered(name, f"{segment[:4]}-{name}", segment_id=segment)

    async def made(self, **more: Any) -> str:
        body = {"name": "Spring", "audience": {"any": [SEGMENT]}, **self.body, **more}
        answer = await self.all.client.post("/v1/broadcasts", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def step(self, broadcast: str, verb: str, client: Any = None) -> dict[str, Any]:
        answer = await (client or self.all.client).post(f"/v1/broadcasts/{broadcast}/{verb}")
        assert answer.status_code in {200, 201}, answer.text
        return dict(answer.json())

    async def refused(self, broadcast: str, verb: str, client: Any = None) -> tuple[int, str]:
        answer = await (client or self.all.client).post(f"/v1/broadcasts/{broadcast}/{verb}")
        return answer.status_code, str(answer.json().get("message"))

    async def shown(self, broadcast: str) -> dict[str, Any]:
        return dict((await self.all.client.get(f"/v1/broadcasts/{broadcast}")).json())

    async def runs(self, broadcast: str) -> list[dict[str, Any]]:
        return list((await self.all.client.get(f"/v1/broadcasts/{broadcast}/runs")).json()["items"])

    async def conduct(self, now: datetime | None = None, **more: Any) -> None:
        at = now or clock.now()
        await Conductor(self.all.engine, now=lambda: at, **more).turn()

    async def sent_all(self) -> dict[str, int]:
        while await self.all.turn():
            pass
        return dict(await self.all.ledger.states())

    async def whole(self, broadcast: str) -> dict[str, int]:
        """Schedule it, and let everything happen that follows at once."""
        await self.step(broadcast, "schedule")
        await self.conduct()
        await self.all.work()
        found = await self.sent_all()
        await self.conduct()
        return found


@pytest.fixture
def cast(scenario: Any) -> Broadcasts:
    return Broadcasts(scenario)


async def test_everybody_in_the_segment_gets_it_once(cast: Broadcasts) -> None:
    await cast.people("ada", "ben", "cem", "dan", "eve")
    broadcast = await cast.made()
    assert (await cast.shown(broadcast))["state"] == "draft"
    assert await cast.whole(broadcast) == {"sent": 5}
    shown = await cast.shown(broadcast)
    assert (shown["state"], shown["counts"]["sent"], shown["runs"]) == ("done", 5, 1)
    [run] = await cast.runs(broadcast)
    assert (run["state"], run["counts"]["sent"]) == ("done", 5)
    assert len(cast.all.mail_server.mails) == 5
    # What is over sends nothing to who comes later.
    await cast.people("fay")
    assert await cast.sent_all() == {"sent": 5}
    campaigns = (await cast.all.client.get("/v1/campaigns")).json()["items"]
    assert campaigns == []
    history = (await cast.all.client.get(f"/v1/broadcasts/{broadcast}/history")).json()["items"]
    told = [(one["actor"], one["action"]) for one in reversed(history)]
    assert told == [
        ("ada", "created"),
        ("ada", "scheduled"),
        ("rapport", "begun"),
        ("rapport", "done"),
    ]
