"""Events that are told again, for a segment service that has lost or never had them."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from services.segment.tests.test_passing import ADA, BOB, Published, Shop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

pytestmark = pytest.mark.integration

RENEWED: dict[str, Any] = {"performed": "Plan Renewed", "within": {"last": "30d"}}
LARGE: dict[str, Any] = {
    "performed": "Plan Renewed",
    "where": [{"property": "total", "op": "gte", "value": 100}],
}
MOMENT = timedelta(seconds=7)


@pytest.fixture
def shop(engine: AsyncEngine, records: "Records") -> Shop:
    return Shop(engine, records)


def again(who: Any, at: datetime, of: Any = None, **changed: Any) -> ProfileActivity:
    """What somebody renewed, told again; `of`: who it was taken for at first."""
    fields: dict[str, Any] = {"version": 1, "republished": True}
    fields |= {name: changed.pop(name) for name in (*fields, "replaced") if name in changed}
    properties = msgspec.Raw(msgspec.json.encode(changed))
    event = Event(
        workspace="acme",
        source="shop",
        message_id=f"plan of {of or who}",
        type="track",
        identifiers=[("user_id", str(who))],
        timestamp=at,
        received_at=at,
        name="Plan Renewed",
        properties=properties,
    )
    return ProfileActivity(workspace="acme", profile_id=str(who), event=event, **fields)


async def kept(engine: AsyncEngine) -> list[tuple[str | None, int]]:
    """(total, copy) of those that are kept."""
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT properties ->> 'total', copy FROM segment.happening "
                "WHERE name = 'Plan Renewed' ORDER BY message_id"
            )
        )
        return [tuple(row) for row in rows.all()]


async def test_who_has_them_is_judged_a_moment_later_and_no_news_is_made_of_it(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(renewed=RENEWED)
    await shop.tell(records.state(ADA), records.state(BOB))
    await shop.tell(again(ADA, shop.clock.now), again(BOB, shop.clock.now - timedelta(days=40)))
    assert await published() == []
    for _again in range(2):
        await shop.wait(shop.clock.now + MOMENT)
        # Nobody is written to for a merge: it happened long ago.
        [entry] = await published()
        assert (entry.profile_id, entry.change, entry.cause) == (str(ADA), "entered", "merge")
        await shop.tell(again(ADA, shop.clock.now - MOMENT), again(BOB, shop.clock.now - MOMENT))
    await shop.wait(shop.clock.now + timedelta(days=30))
    assert [one.change for one in await published()] == ["entered", "exited"]


async def test_who_is_told_after_the_events_is_judged_by_them(
    shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(renewed=RENEWED)
    await shop.tell(again(ADA, shop.clock.now))
    await shop.wait(shop.clock.now + MOMENT)
    assert await published() == []
    await shop.tell(records.state(ADA))
    [entry] = await published()
    assert entry.profile_id == str(ADA)


async def test_the_copy_that_counts_stays_whatever_is_told_again_of_others(
    engine: AsyncEngine, shop: Shop, records: "Records", published: Published
) -> None:
    await shop.define(large=LARGE)
    await shop.tell(records.state(ADA), again(ADA, shop.clock.now, total=500, replaced=1))
    await shop.tell(again(ADA, shop.clock.now, total=1), again(ADA, shop.clock.now, total=2))
    await shop.wait(shop.clock.now + MOMENT)
    assert await kept(engine) == [("500", 1)]
    assert [one.change for one in await published()] == ["entered"]
    # In one batch the later copy is taken, wherever it stands.
    await shop.tell(
        again(ADA, shop.clock.now, total=7, replaced=3),
        again(ADA, shop.clock.now, total=600, replaced=2),
    )
    await shop.wait(shop.clock.now + MOMENT)
    assert await kept(engine) == [("7", 3)]
    assert [one.change for one in await published()] == ["entered", "exited"]


@pytest.mark.parametrize("late", [False, True])
async def test_an_event_that_was_put_under_another_identifier_is_that_ones(
    shop: Shop, records: "Records", published: Published, *, late: bool
) -> None:
    """Whichever of the two forms is read first."""
    await shop.define(renewed=RENEWED)
    await shop.tell(records.state(ADA), records.state(BOB))
    first, moved = again(ADA, shop.clock.now), again(BOB, shop.clock.now, of=ADA, replaced=1)
    for told in (moved, first) if late else (first, moved):
        await shop.tell(told)
        await shop.wait(shop.clock.now + MOMENT)
    entries = [(one.profile_id, one.change) for one in await published()]
    of_ada = [(str(ADA), "entered"), (str(ADA), "exited")]
    assert sorted(entries) == sorted([*([] if late else of_ada), (str(BOB), "entered")])


async def test_of_who_was_forgotten_meanwhile_nothing_is_kept(
    engine: AsyncEngine, shop: Shop, records: "Records"
) -> None:
    """The wish may be read before what was told earlier."""
    await shop.tell(records.state(ADA, version=4), records.state(BOB))
    await shop.tell(records.gone(ADA))
    await shop.tell(again(ADA, shop.clock.now, total=1, version=4), again(BOB, shop.clock.now))
    assert await kept(engine) == [(None, 0)]
    # Who comes back later has events of a later version.
    await shop.tell(again(ADA, shop.clock.now, total=2, version=9))
    assert ("2", 0) in await kept(engine)


async def test_an_event_alone_that_is_not_told_again_is_of_the_first_version(
    engine: AsyncEngine, shop: Shop
) -> None:
    """A record that tells of its person, and of it, follows."""
    await shop.tell(again(ADA, shop.clock.now, republished=False))
    assert await kept(engine) == []
