"""The ledger's route: whoever writes meanwhile, its counts are of one instant."""

from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.api import patient_app

from rapport_common.operator.ledger import ledger_routes
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import mint

pytestmark = pytest.mark.integration


class Effects(BaseModel):
    """First = second."""

    first: int
    second: int


async def test_counts_are_of_one_instant_and_for_who_operates_the_installation(
    engine: AsyncEngine,
) -> None:
    async def number(tx: AsyncConnection) -> int:
        return int(await tx.scalar(text("SELECT count(*) FROM effect")) or 0)

    async def counts(tx: AsyncConnection) -> Mapping[str, int]:
        first = await number(tx)
        async with engine.begin() as other:
            await other.execute(text("INSERT INTO effect VALUES (1, 'meanwhile')"))
        return {"first": first, "second": await number(tx)}

    app = patient_app("segment")
    add_routes(app, ledger_routes(engine, Effects, counts))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    async with client:
        for number_before in range(2):
            answer = await client.get("/v1/ledger", headers=_bearer(installation=True))
            assert answer.json() == {"first": number_before, "second": number_before}
        refused = await client.get("/v1/ledger", headers=_bearer(installation=False))
        assert refused.status_code == 403
    described = app.openapi()["paths"]["/v1/ledger"]["get"]
    assert described["description"] == "First = second."


def _bearer(*, installation: bool) -> dict[str, str]:
    hour = timedelta(hours=1)
    return {"Authorization": f"Bearer {mint('w', 'ann', ['ops'], hour, installation=installation)}"}
