"""Exports of members: what is in the file, for whom, and as of when."""

import csv
import io
import json
import tracemalloc
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from services.segment.tests.building import build
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import UnavailableError
from rapport_common.events.activity import ContactPoint
from rapport_segment.domain.export_columns import USUAL
from rapport_segment.domain.overlaps import Shared, named, shared
from rapport_segment.handlers import exporting
from rapport_segment.handlers.activity import Judging
from rapport_segment.handlers.exporting import Exporting, Wanted

if TYPE_CHECKING:
    from services.segment.tests.conftest import Records

IDS = [uuid.UUID(int=number) for number in range(1, 8)]
BUYERS = {"computed": "orders", "op": "gte", "value": 1}
COLUMNS = ["id", "contact_points.email", "traits.name", "traits.to.city", "computed.orders"]
Feed = Callable[..., Any]


@pytest.fixture
def feed(engine: AsyncEngine, records: "Records") -> Feed:
    """A function that tells segment of people by what they have: name, orders."""
    handler = Judging()

    async def feed(*people: tuple[uuid.UUID, str, int]) -> None:
        told = [
            records.state(
                who,
                contact_points=[
                    ContactPoint(channel="email", value=f"{name.strip('=')}@example.com")
                ],
                traits={"name": name, "to": {"city": "Köln"}, "price": 12.50},
                orders=orders,
            )
            for who, name, orders in people
        ]
        async with engine.begin() as tx:
            await handler.on_activity([records.record(one) for one in told], tx)

    return feed


async def segment(client: httpx.AsyncClient, engine: AsyncEngine, rule: Any, name: str) -> str:
    answer = await client.post("/v1/segments", json={"name": name, "rule": rule})
    assert answer.status_code == 202, answer.text
    await build(engine)
    return str(answer.json()["id"])


@pytest.fixture
async def buyers(client: httpx.AsyncClient, engine: AsyncEngine, feed: Feed) -> str:
    """A segment that three of four people are in; its id."""
    await feed((IDS[0], "=ada", 2), (IDS[1], "bob", 0), (IDS[2], "cleo", 1), (IDS[3], "dan", 5))
    return await segment(client, engine, BUYERS, "buyers")


@pytest.mark.integration
async def test_members_come_as_csv_jsonl_and_parquet(
    client: httpx.AsyncClient, buyers: str
) -> None:
    path = f"/v1/segments/{buyers}/export"
    answer = await client.post(path, json={"format": "csv", "columns": COLUMNS})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="members.csv"'
    names, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert names == COLUMNS
    assert [(row[0], row[2]) for row in rows] == [
        (str(IDS[0]), "'=ada"),
        (str(IDS[2]), "cleo"),
        (str(IDS[3]), "dan"),
    ], "only members, by id, and nothing that a spreadsheet would carry out"
    assert rows[0][3:] == ["Köln", "2"]
    lines = (await client.post(path, json={"format": "jsonl", "columns": COLUMNS})).text
    first = json.loads(lines.splitlines()[0])
    assert first == {
        "id": str(IDS[0]),
        "contact_points.email": ["ada@example.com"],
        "traits.name": "=ada",
        "traits.to.city": "Köln",
        "computed.orders": 2,
    }
    packed = await client.post(path, json={"format": "parquet", "columns": [*USUAL, "traits"]})
    table = parquet.read_table(io.BytesIO(packed.content)).to_pylist()
    assert [row["id"] for row in table] == [str(IDS[0]), str(IDS[2]), str(IDS[3])]
    assert table[0]["reason"] == "orders 2 >= 1"
    assert json.loads(table[0]["traits"])["price"] == 12.5


@pytest.mark.integration
async def test_what_is_known_of_people_needs_a_scope_of_its_own(
    client_of: Callable[..., httpx.AsyncClient], buyers: str
) -> None:
    path = f"/v1/segments/{buyers}/export"
    async with client_of(scopes=("segments:read",)) as reader:
        stays = await reader.post(path, json={"format": "csv"})
        assert stays.status_code == 200, "a stay is what the list of members shows, too"
        for column in ("contact_points.email", "traits", "identifiers.user_id", "computed.orders"):
            answer = await reader.post(path, json={"format": "csv", "columns": ["id", column]})
            assert (answer.status_code, answer.json()["details"]["needed"]) == (
                403,
                "profiles:export",
            )
    async with client_of(scopes=("profiles:export",)) as other:
        assert (await other.post(path, json={"format": "csv"})).status_code == 403
    async with client_of("globex") as stranger:
        assert (await stranger.post(path, json={"format": "csv"})).status_code == 404


@pytest.mark.integration
@pytest.mark.parametrize("column", ["", "x", "traits.", "computed.x", "consent.email", "a\0b"])
async def test_a_column_that_there_is_not_is_refused(
    client: httpx.AsyncClient, column: str
) -> None:
    path = f"/v1/segments/{uuid.uuid4()}/export"
    answer = await client.post(path, json={"format": "csv", "columns": [column]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.integration
async def test_a_file_is_of_one_instant(
    monkeypatch: pytest.MonkeyPatch, engine: AsyncEngine, buyers: str, feed: Feed
) -> None:
    monkeypatch.setattr(exporting, "SHORT_PAGE", 1)
    columns = ["id", "traits.name"]
    wanted = Wanted("acme", "ada", uuid.UUID(buyers), "jsonl", columns)
    parts = Exporting(engine).parts(wanted)
    file = await anext(parts)
    # Who has not been read yet leaves, is called otherwise, or comes in.
    await feed((IDS[2], "cleo", 0), (IDS[3], "danny", 5), (IDS[4], "eve", 1))
    file += b"".join([part async for part in parts])
    told = [json.loads(line) for line in file.splitlines()]
    assert [(one["id"], one["traits.name"]) for one in told] == [
        (str(IDS[0]), "=ada"),
        (str(IDS[2]), "cleo"),
        (str(IDS[3]), "dan"),
    ]


@pytest.mark.integration
async def test_an_export_that_takes_too_long_ends_and_gives_its_place_back(
    engine: AsyncEngine, buyers: str
) -> None:
    made = Exporting(engine, at_once=1, seconds=-1)
    wanted = Wanted("acme", "ada", uuid.UUID(buyers), "csv", ["id"])
    parts = made.parts(wanted)
    await anext(parts)
    with pytest.raises(UnavailableError):
        await anext(parts)
    made.places.require_room()


@pytest.mark.integration
async def test_memory_does_not_grow_with_the_members(
    monkeypatch: pytest.MonkeyPatch, engine: AsyncEngine, buyers: str
) -> None:
    monkeypatch.setattr(exporting, "SHORT_PAGE", 50)

    async def peak(people: int) -> int:
        async with engine.begin() as tx:
            await tx.execute(
                text(
                    "INSERT INTO segment.person (workspace, profile_id, version, known, traits) "
                    "SELECT 'acme', CAST(lpad(to_hex(n), 32, '0') AS uuid), 1, true, "
                    "jsonb_build_object('name', repeat('x', 200)) "
                    "FROM generate_series(100, 99 + :people) AS n ON CONFLICT DO NOTHING"
                ),
                {"people": people},
            )
            await tx.execute(
                text(
                    "INSERT INTO segment.membership (workspace, profile_id, segment_id, entry_id, "
                    "entered_at, segment_version, profile_version, reason) SELECT workspace, "
                    "profile_id, CAST(:segment AS uuid), gen_random_uuid(), now(), 1, 1, 'r' "
                    "FROM segment.person WHERE traits->>'name' LIKE 'xxx%' ON CONFLICT DO NOTHING"
                ),
                {"segment": buyers},
            )
        wanted = Wanted("acme", "ada", uuid.UUID(buyers), "csv", ["id", "traits.name"])
        tracemalloc.start()
        count = 0
        async for part in Exporting(engine).parts(wanted):
            count += part.count(b"\r\n")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == people + 4, "those, the three, and the line of names"
        return most

    await peak(100)
    few = await peak(150)
    assert await peak(1500) < 1.5 * few


@pytest.mark.integration
async def test_segments_are_counted_over_one_another(
    client: httpx.AsyncClient, engine: AsyncEngine, buyers: str
) -> None:
    many = await segment(client, engine, {**BUYERS, "value": 2}, "many")
    most = await segment(client, engine, {**BUYERS, "value": 5}, "most")
    body = {"segment_ids": [buyers, many, most]}
    answer = await client.post("/v1/segments/overlap", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["anywhere"] == 3
    assert [
        (len(one["segment_ids"]), one["members"], one["only"]) for one in answer.json()["choices"]
    ] == [(1, 3, 1), (1, 2, 0), (1, 1, 0), (2, 2, 1), (2, 1, 0), (2, 1, 0), (3, 1, 1)]
    unknown = {"segment_ids": [buyers, str(uuid.uuid4())]}
    assert (await client.post("/v1/segments/overlap", json=unknown)).status_code == 404
    for ids in ([buyers], [buyers, buyers], [str(uuid.UUID(int=n)) for n in range(6)], ["x", "y"]):
        refused = await client.post("/v1/segments/overlap", json={"segment_ids": ids})
        assert refused.status_code == 422


@given(inside=st.lists(st.integers(1, 31), max_size=30), many=st.integers(2, 5))
def test_each_choice_counts_whom_all_of_it_has(*, inside: list[int], many: int) -> None:
    people = [one & ((1 << many) - 1) for one in inside if one & ((1 << many) - 1)]
    counts = {bits: people.count(bits) for bits in people}
    found = shared(counts, many)
    assert len(found) == len({one.chosen for one in found}) == 2**many - 1
    for one in found:
        places = named(one.chosen, list(range(many)))
        held = [who for who in people if all(who >> place & 1 for place in places)]
        assert one == Shared(one.chosen, len(held), held.count(one.chosen))
