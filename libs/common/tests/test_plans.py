"""A consumer's session goes by how large tables are now, not by how large they once were."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.db import PLAN_SECONDS, create_engine, plan_anew

pytestmark = pytest.mark.integration

_ASK = text("SELECT count(*) FROM grown WHERE key = :key")
_ADD = text(
    "INSERT INTO grown SELECT :first + n, 0 FROM generate_series(1, CAST(9000 AS bigint)) AS n"
)
# Of this session: what others have read does not count.
_WHOLE = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'grown'")


async def test_a_plan_for_an_empty_table_is_not_kept_when_it_has_grown(
    engine: AsyncEngine, database_url: str
) -> None:
    async with engine.begin() as tx:
        await tx.execute(text("CREATE TABLE public.grown (key bigint PRIMARY KEY, value int)"))
        # Nobody else tells the server in the meantime.
        await tx.execute(text("ALTER TABLE public.grown SET (autovacuum_enabled = false)"))
    # The plan that a table of one page gets.
    one = create_engine(database_url, application="tests", pool=1)
    async with one.begin() as tx:
        await tx.execute(text("INSERT INTO grown VALUES (0, 0)"))
        await tx.execute(text("ANALYZE grown"))
    whole = []
    for now in (0.0, PLAN_SECONDS - 1, PLAN_SECONDS):
        async with one.begin() as tx:
            await plan_anew(tx, now)
            before = (await tx.execute(_WHOLE)).scalar_one()
            for _again in range(6):
                await tx.execute(_ASK, {"key": 1})
            whole.append((await tx.execute(_WHOLE)).scalar_one() - before)
            await tx.execute(_ADD, {"first": int(now) * 10_000})
    await one.dispose()
    assert whole == [6, 6, 0], "all of one page is read; of many only the row that is asked for"
