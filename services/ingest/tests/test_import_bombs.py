"""Files that unfold: they end their own job, and cost the process that serves nothing."""

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from services.ingest.tests.test_imports import imported

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import Place
from rapport_ingest.domain.imports import spec_of
from rapport_ingest.domain.rows import Entry
from rapport_ingest.handlers.readers.frames import Assignment
from rapport_ingest.handlers.readers.process import Reading, reading

if TYPE_CHECKING:
    from services.ingest.tests.conftest import Start

MEMORY = 2**28
WHOLE = {"userId": "id", "properties.note": "note"}


def parquet(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd", **options)
    return file.getvalue()


def shared_value() -> bytes:
    """One value of 2 MiB, named by 50,000 rows."""
    column = pa.DictionaryArray.from_arrays(
        pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 2**21])
    )
    return parquet(pa.table({"id": pa.array(["1"] * 50_000), "note": column}))


def one_large_page() -> bytes:
    """A value of 80 MiB, which no row may be and which has to be unpacked to be seen."""
    # Looking for repetitions and for the largest value costs the writer seconds.
    return parquet(
        pa.table({"id": ["1"], "note": pa.array(["x" * (80 * 2**20)], pa.large_string())}),
        use_dictionary=False,
        write_statistics=False,
    )


def large_lists() -> bytes:
    """Lists that share one value: they are not kept as a dictionary when they are read."""
    inner = pa.DictionaryArray.from_arrays(
        pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 2**16])
    )
    lists = pa.ListArray.from_arrays(pa.array(range(0, 100_001, 100), pa.int32()), inner)
    return parquet(pa.table({"id": pa.array(["1"] * 1_000), "note": lists}))


def packed_lines() -> bytes:
    """Four megabytes of CSV in a few kilobytes."""
    return gzip.compress(b"id,note\n" + (b"1," + b"x" * 2000 + b"\n") * 2000)


def assignment(path: Path, data: bytes, name: str, **more: Any) -> Assignment:
    path.write_bytes(data)
    mapping = {"event": "Seen", "fields": WHOLE}
    spec = spec_of({"source": "s", "name": name, "mapping": mapping})
    limits = {"memory": MEMORY, "unpacked": 2**30, **more}
    return Assignment(spec=spec, job="j", path=str(path.resolve()), **limits)


async def all_of(file: Reading) -> list[Entry]:
    found: list[Entry] = []
    while not file.ended:
        found += await file.take(1000)
    return found


def children() -> Iterator[psutil.Process]:
    yield from psutil.Process().children(recursive=True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (shared_value, "a.parquet"),
        (one_large_page, "a.parquet"),
        (large_lists, "a.parquet"),
        (packed_lines, "a.csv.gz"),
    ],
)
async def test_a_file_that_unfolds_is_given_up(
    tmp_path: Path, make: Callable[[], bytes], name: str
) -> None:
    data = make()
    assert len(data) < 200_000
    most = 2**21 if name.endswith("gz") else 2**26
    with pytest.raises(InvalidRequestError) as raised:
        async with reading(assignment(tmp_path / "f", data, name, unpacked=most)) as file:
            await all_of(file)
    assert raised.value.code in {"too_large", "unreadable_file", "damaged_file"}
    assert not [one for one in children() if "readers.child" in " ".join(one.cmdline())]


async def test_a_reader_that_is_killed_fails_its_job_alone(tmp_path: Path) -> None:
    lines = b"id,note\n" + b"1,x\n" * 10**5
    async with reading(assignment(tmp_path / "f", lines, "a.csv")) as file:
        assert await file.take(10)
        (child,) = [one for one in children() if "readers.child" in " ".join(one.cmdline())]
        child.kill()
        with pytest.raises(InvalidRequestError, match="SIGKILL"):
            await all_of(file)


async def test_a_reader_ends_with_its_reading(tmp_path: Path) -> None:
    lines = b"id,note\n" + b"1,x\n" * 10**5
    async with reading(assignment(tmp_path / "f", lines, "a.csv")) as file:
        first = await file.take(5)
    assert [one.first for one in first] == [1, 2, 3, 4, 5]
    assert not [one for one in children() if "readers.child" in " ".join(one.cmdline())]


async def test_a_changed_file_is_not_gone_on_with(tmp_path: Path) -> None:
    asked = assignment(tmp_path / "f", b"id,note\n1,x\n2,y\n", "a.csv", fingerprint="another")
    with pytest.raises(InvalidRequestError, match="changed"):
        async with reading(asked):
            pass


async def test_reading_goes_on_from_its_place(tmp_path: Path) -> None:
    data = b"id,note\n1,x\n2,y\n3,z\n"
    async with reading(assignment(tmp_path / "f", data, "a.csv")) as file:
        whole = await all_of(file)
    asked = assignment(tmp_path / "f", data, "a.csv", place=Place(*whole[0].after))
    async with reading(asked) as file:
        assert await all_of(file) == whole[1:]


@pytest.mark.integration
async def test_a_bomb_fails_its_job_and_the_next_one_works(start: "Start", tmp_path: Path) -> None:
    ingest = await start(data_folder=tmp_path, import_unpacked_bytes=2**30)
    before = psutil.Process().memory_info().rss
    mapping = {"type": "identify", "fields": {"userId": "id"}}
    bomb = await imported(ingest, shared_value(), "a.parquet", mapping=mapping)
    assert bomb["state"] == "failed"
    assert "unfolds" in bomb["error"]
    assert psutil.Process().memory_info().rss - before < 2**27
    assert (await imported(ingest, b"id,mail\n1,a@x.example\n"))["state"] == "done"
