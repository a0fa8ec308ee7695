"""A person with very many identifiers, or very much known: an event costs as much as anybody's."""

from collections.abc import Callable, Sequence

import httpx
import msgspec
import pytest
from services.profile.tests.follower import Known, followed
from services.profile.tests.people import IDS, event, expected
from services.profile.tests.postgres import known
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tests.support.outbox import waiting

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_common.kafka.batch import Record
from rapport_profile.domain.naming import Names
from rapport_profile.handlers import events as handlers
from rapport_profile.store import reads

pytestmark = pytest.mark.integration
LARGEST_RECORD = 512 * 1024
MOST_ROWS = 12
"""That an event loads of identifiers, links and profiles: some for each that it names."""


async def feed(tx: AsyncConnection, history: Sequence[Event]) -> None:
    await handlers.on_events(
        IDS, [Record("events", 0, at, b"", one) for at, one in enumerate(history)], tx
    )


async def rows_touched(engine: AsyncEngine, one: Event) -> int:
    """How many identifiers, links and profiles an event has loaded."""
    async with engine.begin() as tx:
        working, _published = await handlers.applied(
            tx, Names(IDS), [handlers.draft(Names(IDS), 0, one)]
        )
        return len(working.nodes) + len(working.links) + len(working.profiles)


async def records(engine: AsyncEngine) -> list[tuple[int, ProfileActivity]]:
    """What was published, with its length in bytes."""
    async with engine.begin() as tx:
        rows = await waiting(tx, "profile")
        return [
            (len(row.value), msgspec.json.decode(row.value, type=ProfileActivity)) for row in rows
        ]


async def last_state(engine: AsyncEngine) -> Known:
    """What was told of the only person there is."""
    (known,) = followed(one for _size, one in await records(engine)).states()
    return known


def by_user(n: int) -> list[Event]:
    return [event(f"m{n}", user_id="till-9", anonymous_id=f"x{n}", at=n)]


def by_address(n: int) -> list[Event]:
    return [event(f"m{n}", email="info@shop.example", anonymous_id=f"x{n}", at=n)]


def by_alias(n: int) -> list[Event]:
    return [event(f"m{n}", type="alias", anonymous_id=f"x{n}", previous_id=f"x{n - 1}", at=n)]


def known_visitor(n: int) -> list[Event]:
    return [event(f"v{n}", anonymous_id=f"x{n}", at=n), *by_address(n)]


def shared_device(n: int) -> list[Event]:
    return [*by_user(n), event(f"o{n}", user_id="till-8", anonymous_id=f"x{n}", at=n)]


def many_addresses(n: int) -> list[Event]:
    email = f"x{n}@shop.example"
    return [
        event(f"m{n}", type="identify", user_id="U", email=email, traits={"email": email}, at=n)
    ]


@pytest.mark.parametrize(
    "grow", [by_user, by_address, by_alias, known_visitor, shared_device, many_addresses]
)
async def test_one_more_identifier_costs_the_same_whatever_is_there(
    engine: AsyncEngine, grow: Callable[[int], list[Event]]
) -> None:
    async with engine.begin() as tx:
        await feed(tx, [one for n in range(1, 450) for one in grow(n)])
    for one in [*grow(450), *grow(451)]:
        assert await rows_touched(engine, one) <= MOST_ROWS
        async with engine.begin() as tx:
            await feed(tx, [one])
    told = await records(engine)
    assert max(size for size, _ in told) < LARGEST_RECORD
    states = followed(one for _, one in told).states()
    biggest = max(states, key=lambda one: one.omitted.identifiers)
    if grow is not shared_device:
        assert (len(biggest.identifiers), biggest.omitted.identifiers) == (200, 252)


async def test_who_is_known_to_share_a_till_costs_the_same_as_anybody(engine: AsyncEngine) -> None:
    """Two users meet in a component of hundreds: an event that says so again looks at no link."""
    crowd = [*by_address(1), *(one for n in range(2, 400) for one in by_address(n))]
    users = [event(f"u{n}", user_id=f"U{n}", anonymous_id=f"x{n}", at=500 + n) for n in (1, 2)]
    tablet = [event(f"t{n}", user_id=f"U{n}", anonymous_id="tablet", at=n) for n in range(400)]
    async with engine.begin() as tx:
        await feed(tx, [*crowd, *users, *tablet])
    again = [
        event("a1", email="info@shop.example", anonymous_id="x7", at=900),
        event("a2", user_id="U1", anonymous_id="x1", at=901),
        event("a3", user_id="U9", anonymous_id="tablet", at=902),
    ]
    for one in again:
        assert await rows_touched(engine, one) <= MOST_ROWS
    async with engine.begin() as tx:
        await feed(tx, again)
        assert await known(tx) == expected([*crowd, *users, *tablet, *again])


def withdrawal(n: int) -> Event:
    point = f"p{n}@example.com"
    said = {
        "channel": "email",
        "purpose": "promotion",
        "contact_point": point,
        "state": "withdrawn",
    }
    return event(f"c{n}", name="Consent Updated", user_id="U", at=n, said=said)


async def test_a_new_user_id_costs_the_same_however_many_share_a_till(engine: AsyncEngine) -> None:
    """The till stays nobody's; what the two ids alone were seen with is theirs now."""
    history = [event(f"m{n}", user_id=f"U{n}", anonymous_id="till", at=n) for n in range(300)]
    history += [event(f"n{n}", user_id=f"U{n}", anonymous_id="tablet", at=n) for n in range(2)]
    async with engine.begin() as tx:
        await feed(tx, history)
    renamed = event("renamed", type="alias", user_id="U1", previous_id="U0", at=500)
    assert await rows_touched(engine, renamed) <= MOST_ROWS + 10
    async with engine.begin() as tx:
        await feed(tx, [renamed])
        assert await known(tx) == expected([*history, renamed])
        assert len(await known(tx)) == 300
    usual = event("usual", user_id="U0", anonymous_id="tablet", at=501)
    assert await rows_touched(engine, usual) <= MOST_ROWS


async def test_much_that_is_known_is_bounded_and_all_of_it_stays_readable(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    history = [
        event(
            f"m{n}",
            type="identify",
            user_id="U",
            traits={f"t{n}-{part}": "x" * 1_000 for part in range(30)},
            at=n,
        )
        for n in range(12)
    ]
    history += [withdrawal(n) for n in range(230)]
    async with engine.begin() as tx:
        await feed(tx, history)
    assert max(size for size, _ in await records(engine)) < LARGEST_RECORD
    known = await last_state(engine)
    shown = msgspec.json.decode(known.traits)
    assert len(known.traits) <= 128 * 1024
    assert {"t11-0", "t11-29"} < shown.keys()
    assert known.omitted.traits == 360 - len(shown) > 0
    assert (len(known.consent), known.omitted.consent) == (200, 30)
    found = await client.get("/v1/profiles", params={"kind": "user_id", "value": "U"})
    path = f"/v1/profiles/{found.json()['id']}"
    traits = (await client.get(f"{path}/traits", params={"limit": 1000})).json()
    assert {one["name"] for one in traits["items"]} == {
        f"t{n}-{part}" for n in range(12) for part in range(30)
    }
    consents = (await client.get(f"{path}/consents", params={"limit": 1000})).json()
    assert len(consents["items"]) == 230
    # A later word on one that gave way counts.
    async with engine.begin() as tx:
        again = event("z", type="identify", user_id="U", traits={"t0-0": "new"}, at=99)
        await feed(tx, [again])
    page = (await client.get(f"{path}/traits", params={"limit": 1})).json()
    assert [one["value"] for one in page["items"]] == ["new"]


async def test_copies_with_ever_smaller_hashes_are_looked_at_a_few_times_only(
    engine: AsyncEngine,
) -> None:
    from rapport_profile.domain.content import content_hash  # noqa: PLC0415

    copies = [event("m", name=f"n{n}", user_id="U") for n in range(60)]
    copies.sort(key=content_hash, reverse=True)
    async with engine.begin() as tx:
        # In one batch the smallest is taken at once.
        await feed(tx, copies[:30])
        for one in copies[30:]:
            await feed(tx, [one])
        tallies = await tx.execute(text("SELECT name, value FROM profile.tally"))
        counted = {row.name: row.value for row in tallies}
        totals = await reads.stats(tx, "w")
    assert counted == {"profiled": 1, "duplicate": 59, "replaced": handlers.MAX_REPLACED}
    assert totals["events"] == 1


async def test_a_profile_that_nothing_speaks_of_any_more_is_told_as_gone(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    copies = [event("m", user_id=one) for one in ("A", "B")]
    from rapport_profile.domain.content import content_hash  # noqa: PLC0415

    copies.sort(key=content_hash, reverse=True)
    async with engine.begin() as tx:
        await feed(tx, copies[:1])
        await feed(tx, copies[1:])
        rows = await waiting(tx, "profile")
        told = [msgspec.json.decode(row.value, type=ProfileActivity) for row in rows]
        totals = await reads.stats(tx, "w")
    first, gone, second = told
    assert gone.gone
    assert gone.profile_id == first.profile_id != second.profile_id
    assert (gone.versions, gone.merged_into, gone.version) == (None, None, 2)
    assert totals["profiles"] == 1
    for part in ("", "/timeline", "/links", "/traits"):
        answer = await client.get(f"/v1/profiles/{gone.profile_id}{part}")
        assert answer.status_code == 404


async def folds_of_their_own(engine: AsyncEngine) -> dict[str, int]:
    """Identifiers that have a fold, with the number of its events."""
    async with engine.begin() as tx:
        rows = await tx.execute(
            text(
                "SELECT value, CAST(fold ->> 'events' AS integer) AS events "
                "FROM profile.identifier WHERE fold ->> 'events' IS NOT NULL"
            )
        )
        return {row.value: row.events for row in rows}


async def test_who_alone_has_events_shares_the_fold_of_the_profile_until_another_has_some(
    engine: AsyncEngine,
) -> None:
    named = {"user_id": "A", "anonymous_id": "x"}
    async with engine.begin() as tx:
        await feed(tx, [event("m1", type="identify", traits={"plan": "gold"}, **named)])
        await feed(tx, [event("m2", user_id="A", at=1)])
    assert await folds_of_their_own(engine) == {}

    # The one with the fold is not named here, and so not loaded.
    async with engine.begin() as tx:
        await feed(tx, [event("m3", anonymous_id="x", at=2)])
    assert await folds_of_their_own(engine) == {"A": 2, "x": 1}
    state = await last_state(engine)
    assert (state.computed.events, msgspec.json.decode(state.traits)) == (3, {"plan": "gold"})


async def test_of_two_people_who_become_one_each_keeps_what_was_said_of_it(
    engine: AsyncEngine,
) -> None:
    async with engine.begin() as tx:
        await feed(tx, [event("m1", type="identify", user_id="A", traits={"a": 1})])
        await feed(tx, [event("m2", user_id="A", anonymous_id="x", at=1)])
        await feed(tx, [event("m3", type="identify", email="e1", traits={"b": 2}, at=2)])
        await feed(tx, [event("m4", email="e1", anonymous_id="y", at=3)])
        # Only the two devices are named.
        await feed(tx, [event("m5", type="alias", anonymous_id="x", previous_id="y", at=4)])
    assert await folds_of_their_own(engine) == {"A": 2, "e1": 2, "x": 1}
    state = await last_state(engine)
    assert state.computed.events == 5
    assert msgspec.json.decode(state.traits) == {"a": 1, "b": 2}


async def test_a_long_state_is_told_once_for_many_events(engine: AsyncEngine) -> None:
    much = {f"t{n}": "x" * 100 for n in range(900)}
    many = [event(f"m{n}", user_id="A", at=n + 1) for n in range(300)]
    async with engine.begin() as tx:
        await feed(tx, [event("first", type="identify", user_id="A", traits=much)])
        await feed(tx, many)
    told = [one for _size, one in await records(engine)]
    assert [one.event.message_id for one in told if one.event] == [
        "first",
        *(one.message_id for one in many),
    ]
    assert [one.version for one in told if one.traits is not None] == [1]
    assert [one.computed.events for one in told if one.computed] == list(range(1, 302))
    known = await last_state(engine)
    assert (known.computed.events, len(msgspec.json.decode(known.traits))) == (301, 900)
    assert sum(size for size, _ in await records(engine)) < LARGEST_RECORD


async def test_traits_and_consents_beyond_the_bounds_cost_their_bytes_once(
    engine: AsyncEngine,
) -> None:
    """Each event brings more of them: what is told in all is about as long as what was said."""
    said = [
        event(f"t{n}", type="identify", user_id="A", traits={f"t{n}": "x" * 200}, at=n)
        for n in range(1500)
    ]
    said += [withdrawal(n) for n in range(500)]
    for start in range(0, len(said), 500):
        async with engine.begin() as tx:
            await feed(tx, said[start : start + 500])
    async with engine.begin() as tx:
        sizes = sum(len(one.value) for one in await waiting(tx, "profile"))
    assert sizes < 2 * len(said) * 700
