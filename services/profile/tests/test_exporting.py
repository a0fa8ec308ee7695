"""Exports: what is in the file, what it costs, and what becomes of one that nobody takes."""

import asyncio
import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from services.profile.tests.conftest import bearer
from services.profile.tests.people import event
from services.profile.tests.postgres import feed
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.errors import BusyError
from rapport_common.exporting.answers import File
from rapport_common.exporting.columns import Column, Kind
from rapport_common.exporting.texts import CsvWriting
from rapport_profile.domain.export_columns import Person, columns_of
from rapport_profile.domain.published import Summary
from rapport_profile.handlers.exporting import Exporting, Wanted

NAMES = [
    *("id", "contact_points.email", "identifiers.user_id", "traits.name", "traits.price"),
    *("traits.address", "computed.orders", "computed.revenue", "computed.last_seen_at"),
]


async def people(engine: AsyncEngine) -> None:
    """Three, one of whom is two; with all that is hard to write."""
    await feed(
        engine,
        [
            event(
                "1",
                type="identify",
                user_id="A",
                traits={
                    "name": '=cmd|"/c calc"!A1',
                    "email": "ada@example.org",
                    "price": 12.50,
                    "address": {"city": "Köln", "lines": ["a\r\nb", 'say "hi", please']},
                },
            ),
            event("2", user_id="A", name="Order Completed", said={"total": "12.50"}, at=1),
            event("3", type="identify", user_id="B", traits={"name": "张三\n"}, at=1),
            event("4", type="identify", anonymous_id="x", traits={"name": "Xaver"}),
            event("5", user_id="B", anonymous_id="x", at=2),
            event("6", anonymous_id="y", at=2),
        ],
    )


async def exported(client: httpx.AsyncClient, **asked: Any) -> httpx.Response:
    answer = await client.post("/v1/profiles/export", json={"columns": NAMES, **asked})
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.integration
async def test_csv_has_a_line_for_everybody_and_starts_no_formula(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine)
    answer = await exported(client, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="profiles.csv"'
    names, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert names == NAMES
    by_user = {row[2]: row for row in rows}
    assert len(rows) == 3
    ada = by_user['["A"]']
    assert ada[1] == "ada@example.org"
    assert ada[3] == '\'=cmd|"/c calc"!A1'
    assert ada[4] == "12.5"
    assert json.loads(ada[5]) == {"city": "Köln", "lines": ["a\r\nb", 'say "hi", please']}
    assert (ada[6], json.loads(ada[7])) == ("1", {"USD": "12.50"})
    assert ada[8] == "2026-01-01T00:01:00Z"
    assert by_user['["B"]'][3:5] == ["张三\n", ""]
    kept = await exported(client, format="csv", formulas="keep")
    assert "=cmd|" in kept.text
    assert "'=cmd|" not in kept.text


@pytest.mark.integration
async def test_json_lines_have_values_as_they_are(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine)
    answer = await exported(client, format="jsonl", gzip=True)
    assert answer.headers["content-disposition"] == 'attachment; filename="profiles.jsonl.gz"'
    lines = [json.loads(one) for one in gzip.decompress(answer.content).splitlines()]
    [ada] = [one for one in lines if one["identifiers.user_id"] == ["A"]]
    assert ada["traits.price"] == 12.5
    assert ada["traits.address"]["city"] == "Köln"
    assert ada["computed.orders"] == 1
    whole = await exported(client, format="jsonl", columns=["id", "traits", "consent"])
    assert {len(json.loads(one)) for one in whole.text.splitlines()} == {3}


@pytest.mark.integration
async def test_parquet_has_types(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    await people(engine)
    for packed in (False, True):
        answer = await exported(client, format="parquet", gzip=packed)
        table = parquet.read_table(io.BytesIO(answer.content))
        kinds = [str(table.schema.field(one).type) for one in NAMES]
        assert kinds[:4] == ["string", "string", "list<element: string>", "string"]
        assert kinds[6:] == ["int64", "string", "timestamp[us, tz=UTC]"]
        [ada] = [one for one in table.to_pylist() if one["identifiers.user_id"] == ["A"]]
        assert ada["computed.last_seen_at"] == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
        assert json.loads(ada["traits.address"])["city"] == "Köln"
        assert ada["traits.name"].startswith("=cmd")


@pytest.mark.integration
async def test_people_of_a_list_come_in_its_order_each_once_as_who_they_are_now(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine)
    async with engine.begin() as tx:
        rows = await tx.execute(
            text("SELECT id, merged_into FROM profile.profile ORDER BY id DESC")
        )
        all_ids = [(str(one), heir) for one, heir in rows]
    ids = [one for one, _heir in all_ids]
    assert sum(heir is not None for _, heir in all_ids) == 1
    nobody = str(UUID(int=7))
    answer = await exported(client, format="jsonl", columns=["id"], ids=[nobody, *ids, *ids])
    found = [json.loads(one)["id"] for one in answer.text.splitlines()]
    assert found == list(dict.fromkeys(str(heir or one) for one, heir in all_ids))
    none = await exported(client, format="csv", columns=["id"], ids=[])
    assert none.text == "id\r\n"


@pytest.mark.integration
async def test_an_export_goes_on_behind_the_last_one_that_came(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine)
    whole = (await exported(client, format="csv")).text
    lines = [row[0] for row in csv.reader(io.StringIO(whole, newline=""))]
    rest = (await exported(client, format="csv", after=lines[1])).text
    assert whole.endswith(rest)
    assert [row[0] for row in csv.reader(io.StringIO(rest, newline=""))] == lines[2:]


@pytest.mark.integration
async def test_a_workspace_exports_its_own_people_and_only_who_may(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await people(engine)
    body = {"format": "csv", "columns": ["id"]}
    other = await client.post("/v1/profiles/export", json=body, headers=bearer("other", "*"))
    assert other.text == "id\r\n"
    weak = await client.post(
        "/v1/profiles/export", json=body, headers=bearer("w", "profiles:read", "profiles:write")
    )
    assert (weak.status_code, weak.json()["details"]["needed"]) == (403, "profiles:export")


@pytest.mark.integration
@pytest.mark.parametrize(
    "asked",
    [
        {"format": "xlsx"},
        {"format": "csv", "columns": []},
        {"format": "csv", "columns": ["idd"]},
        {"format": "csv", "columns": ["computed.nothing"]},
        {"format": "csv", "columns": ["traits."]},
        {"format": "csv", "columns": ["x.y"]},
        {"format": "csv", "columns": ["id"] * 201},
        {"format": "csv", "ids": ["x"]},
        {"format": "csv", "ids": [], "after": str(UUID(int=1))},
        {"format": "parquet", "after": str(UUID(int=1))},
        {"format": "csv", "limit": 3},
    ],
)
async def test_nonsense_is_refused_with_a_reason(
    client: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    answer = await client.post("/v1/profiles/export", json=asked)
    assert answer.status_code == 422
    assert set(answer.json()) == {"code", "message", "details"}


async def many(engine: AsyncEngine, count: int, size: int) -> None:
    """So many people, of whom each is of about so many bytes that don't compress away."""
    async with engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO profile.profile (workspace, id, version, members, summary) "
                "SELECT 'w', gen_random_uuid(), 1, 1, json_build_object('members', 1, 'fold', "
                "json_build_object('traits', json_build_object('note', json_build_array("
                "(SELECT string_agg(md5(n::text || m::text), '') FROM generate_series(1, :size) m),"
                "json_build_array('2026-01-01T00:00:00Z', 'm', 's'))))) "
                "FROM generate_series(1, :count) n"
            ),
            {"count": count, "size": size // 32},
        )


@pytest.mark.integration
@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_an_export_takes_as_much_memory_whatever_there_is(
    engine: AsyncEngine, form: Any
) -> None:
    """40 MB of people, of which a few are there at a time."""
    await many(engine, 2_000, 20_000)
    wanted = Wanted("w", "ada", form, columns_of(["id", "traits", "traits.note"]))
    parts = Exporting(engine).parts(wanted)
    first, total = await anext(parts), 0
    assert first
    tracemalloc.start()
    try:
        async for part in parts:
            total += len(part)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > (70_000_000 if form != "parquet" else 25_000_000)
    assert peak < (12_000_000 if form != "parquet" else 50_000_000), peak


@pytest.mark.integration
async def test_who_takes_it_slowly_holds_no_connection_and_who_leaves_no_place(
    engine: AsyncEngine,
) -> None:
    await many(engine, 600, 10_000)
    room = Exporting(engine, at_once=1)
    wanted = Wanted("w", "ada", "csv", columns_of(["id", "traits.note"]))
    parts = room.parts(wanted)
    assert await anext(parts)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined] # of a QueuePool
    with pytest.raises(BusyError):
        room.places.require_room()
    await parts.aclose()
    room.places.require_room()


async def test_an_answer_that_nobody_takes_ends() -> None:
    ended = asyncio.Event()

    async def parts() -> AsyncGenerator[bytes]:
        try:
            yield b"part"
        finally:
            ended.set()

    async def taken(message: Mapping[str, object]) -> None:
        if message["type"] != "http.response.start":
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await File(parts(), "people", "csv", silence=0.01).stream_response(taken)
    assert ended.is_set(), "its place is free again"


@pytest.mark.integration
async def test_people_who_come_meanwhile_do_not_make_it_endless(engine: AsyncEngine) -> None:
    await feed(engine, [event(f"m{n}", user_id=f"u{n}") for n in range(300)])
    parts = Exporting(engine).parts(Wanted("w", "ada", "jsonl", columns_of(["id"])))
    lines = (await anext(parts)).count(b"\n")
    await feed(engine, [event("later", user_id="later")])
    lines += sum([part.count(b"\n") async for part in parts])
    assert lines == 300


awkward = st.text(st.sampled_from("a1=+-@\"'\n\r,;\t＝ 张.e"), max_size=6)
NOTE: Column[Person] = Column("note", Kind.TEXT, lambda who: who.id)


@given(values=st.lists(awkward, min_size=1, max_size=5), guarded=st.booleans())
def test_what_is_read_is_what_was_written(*, values: Sequence[str], guarded: bool) -> None:
    """Whatever there is in a text; with an apostrophe before what begins a formula."""
    writing = CsvWriting([NOTE, NOTE], guarded=guarded)
    written = writing.begin() + writing.add(Person(one, 1, Summary()) for one in values)
    names, *rows = csv.reader(io.StringIO(written.decode(), newline=""))
    assert names == ["note", "note"]
    assert [row[0].removeprefix("'") if guarded else row[0] for row in rows] == [
        one.removeprefix("'") if guarded else one for one in values
    ]
    for row in rows:
        if guarded and row[0][:1] in set("=@\t\r\n＝＋－＠"):
            pytest.fail(row[0])


@pytest.mark.parametrize(
    ("value", "shown"),
    [("+4917612345678", "+4917612345678"), ("-12.50", "-12.50"), ("-1+2", "'-1+2"), ("+", "'+")],
)
def test_numbers_are_no_formulas(value: str, shown: str) -> None:
    written = CsvWriting([NOTE], guarded=True).add([Person(value, 1, Summary())])
    assert written.decode() == f"{shown}\r\n"
