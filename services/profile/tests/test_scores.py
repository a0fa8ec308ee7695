"""What models say of people is shown: the newest, after merges, and of nobody who is forgotten."""

import itertools
from datetime import timedelta
from typing import Any

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.scores import ProfileScores, Score
from rapport_common.kafka.batch import Record
from rapport_common.testing.profiles import NOON
from rapport_profile.handlers.scores import on_scores
from rapport_profile.store.scores import PUBLISHED

DAY = timedelta(days=1)
_offsets = itertools.count()


def scores(who: str, day: int, **values: str | None) -> ProfileScores:
    return ProfileScores(
        workspace="w",
        profile_id=who,
        model="churn",
        model_version="2",
        as_of=NOON + day * DAY,
        scores=[Score(name=name, number=one, reason="quiet") for name, one in values.items()],
    )


async def tell(engine: AsyncEngine, *some: ProfileScores) -> None:
    batch = [
        Record("profile.scores", 0, next(_offsets), one.profile_id.encode(), one, None)
        for one in some
    ]
    async with engine.begin() as tx:
        await on_scores(batch, tx)


async def profile_of(client: httpx.AsyncClient, user: str) -> str:
    asked = {"kind": "user_id", "value": user}
    return str((await client.get("/v1/profiles", params=asked)).json()["id"])


async def shown(client: httpx.AsyncClient, who: str, **asked: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/profiles/{who}/scores", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.integration
async def test_the_newest_score_is_shown_and_merges_move_none(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [event("1", user_id="A"), event("2", anonymous_id="x", at=1)])
    asked = {"kind": "anonymous_id", "value": "x"}
    visitor = str((await client.get("/v1/profiles", params=asked)).json()["id"])
    ada = await profile_of(client, "A")
    await tell(engine, scores(ada, 1, churn="0.25", gone="1"), scores(ada, 0, churn="0.9"))
    await tell(engine, scores(ada, 0, churn="0.8"), scores(ada, 2, gone=None))
    await tell(engine, scores(visitor, 3, churn="0.5", luck="7"))
    [one] = (await shown(client, ada))["items"]
    assert (one["name"], one["value"], one["reason"]) == ("churn", 0.25, "quiet")
    assert (one["model"], one["model_version"]) == ("churn", "2")
    await feed(engine, [event("3", user_id="A", anonymous_id="x", at=2)])
    page = await shown(client, await profile_of(client, "A"), limit=1)
    assert [(one["name"], one["value"]) for one in page["items"]] == [("churn", 0.5)]
    rest = await shown(client, ada, limit=1, cursor=page["next"])
    assert [one["name"] for one in rest["items"]] == ["luck"]
    foreign = await client.get(
        f"/v1/profiles/{ada}/scores", headers=bearer("other", "profiles:read")
    )
    assert foreign.status_code == 404


@pytest.mark.integration
async def test_of_whom_nobody_knows_nothing_is_kept(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await feed(engine, [event("1", user_id="A")])
    ada = await profile_of(client, "A")
    await tell(engine, scores(ada, 0, churn="0.25"))
    async with engine.begin() as tx:
        given = {"workspace": "w", "profiles": [ada], "limit": 10}
        assert (await tx.execute(text(PUBLISHED.forgotten.statement), given)).rowcount == 1
        await tx.execute(
            text("UPDATE profile.profile SET members = 0, summary = '{}' WHERE id = :id"),
            {"id": ada},
        )
    await tell(engine, scores(ada, 1, churn="0.5"))
    await tell(engine, scores("00000000-0000-0000-0000-00000000dead", 1, churn="0.5"))
    async with engine.begin() as tx:
        assert (await tx.scalar(text("SELECT count(*) FROM profile.published_score"))) == 0
