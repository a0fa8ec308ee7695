"""What segment tells of somebody who asks, and what goes with somebody who is forgotten."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.telling import tells_nothing

from rapport_common.due.store import NewDue
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.testing.credentials import EVENT_KEY
from rapport_common.testing.profiles import NOON
from rapport_segment.store.access import parts
from rapport_segment.store.due import CHECK, DUE, TELL
from rapport_segment.store.privacy import CHECKS

pytestmark = pytest.mark.integration


async def test_all_parts_can_be_read_page_by_page(engine: AsyncEngine) -> None:
    assert await tells_nothing(engine, parts(Recogniser(EVENT_KEY)))


async def test_when_they_are_to_be_looked_at_goes_with_them(engine: AsyncEngine) -> None:
    who = Subject(
        workspace="acme",
        request_id="r",
        profile_id="a",
        subjects=frozenset(),
        kinds=frozenset(),
        profiles=frozenset({"a", "b"}),
        at=NOON,
    )
    rows = [NewDue("acme", CHECK, one, NOON) for one in "abc"]
    others = [NewDue("acme", TELL, "a", NOON), NewDue("other", CHECK, "a", NOON)]
    async with engine.begin() as tx:
        await DUE.schedule(tx, [*rows, *others])
        assert await CHECKS.count(tx, who) == 2
        assert (await CHECKS.page(tx, who, None)).removed == 2
        left = await tx.execute(
            text("SELECT workspace, kind, key FROM segment.due ORDER BY 1, 2, 3")
        )
        assert [tuple(row) for row in left] == [
            ("acme", CHECK, "c"),
            ("acme", TELL, "a"),
            ("other", CHECK, "a"),
        ]
