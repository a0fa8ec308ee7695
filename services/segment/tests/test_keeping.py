"""Former stays go when a workspace keeps them no longer; open ones are what counts today."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_segment.store.keeping import STAYS

pytestmark = pytest.mark.integration
ONE, OTHER, HELD = (f"0190a5c0-0000-7000-8000-00000000000{n}" for n in range(3))


async def test_former_stays_go_but_of_whom_they_are_only_kept(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        for who, ended in ((ONE, "'2026-01-01'"), (OTHER, "NULL"), (HELD, "'2026-01-01'")):
            await tx.execute(
                text(
                    "INSERT INTO segment.membership (workspace, profile_id, segment_id, entry_id, "
                    "entered_at, segment_version, profile_version, reason, exited_at) VALUES "
                    f"('acme', '{who}', '{ONE}', '{ONE}', '2025-01-01', 1, 1, 'r', {ended})"
                )
            )
        await tx.execute(
            text(
                "INSERT INTO segment.person (workspace, profile_id, version, known, restraints) "
                f"VALUES ('acme', '{HELD}', 1, true, '[\"processing\"]')"
            )
        )
        before = clock.now() + timedelta(days=1)
        assert await STAYS.count(tx, "acme", before) == 2
        assert await STAYS.page(tx, "acme", before, None, 9) == (1, None)
        left = await tx.scalars(
            text("SELECT CAST(profile_id AS text) FROM segment.membership ORDER BY 1")
        )
        assert list(left) == [OTHER, HELD]
