"""What spreadsheets and other systems write: each costs its row, never the job, never a value."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import Place, Row
from rapport_ingest.domain.casting import cast, day_number
from rapport_ingest.domain.imports import ImportSpec
from rapport_ingest.domain.mapping import Field, Mapper, Mapping
from rapport_ingest.domain.rows import Composer, Entry
from rapport_ingest.handlers.readers import reader_for

MOST = 2**30
ORDERS = Mapping(
    event="Paid",
    fields={"userId": "id", "timestamp": "at", "properties.total": "total"},
)


def read(data: bytes, form: Any = "csv", most: int = MOST) -> list[Row]:
    spec = ImportSpec(source="s", format=form)
    rows = reader_for(spec, io.BytesIO(data), most).rows(Place())
    return [row for row in rows if isinstance(row, Row)]


def entries(data: bytes, form: Any = "csv", mapping: Mapping = ORDERS) -> list[Entry]:
    composer = Composer(Mapper(mapping), None, ids="row", source="s", job="j")
    return [one for one in composer.entries(read(data, form)) if isinstance(one, Entry)]


def event(entry: Entry) -> Any:
    assert entry.refusal is None, entry.refusal
    return msgspec.json.decode(entry.item)


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


MANGLED = "\ufeff".encode().decode("latin-1").encode()


@pytest.mark.parametrize(
    "data",
    [
        b"sep=;\r\nid;note\r\n1;a\r\n2;b,c\r\n",
        b'"sep=;"\nid;note\n1;a\n2;b,c\n',
        b"\xef\xbb\xbfSEP=;\r\nid;note\r\n1;a\r\n2;b,c\r\n",
        b"\xef\xbb\xbf\xef\xbb\xbfid;note\n1;a\n2;b,c\n",
        MANGLED + b"id;note\n1;a\n2;b,c\n",
        "id;note\n1;a\n2;b,c\n".encode("utf-16"),
        b"\xfe\xff" + "id;note\n1;a\n2;b,c\n".encode("utf-16-be"),
        gzip.compress("id;note\n1;a\n2;b,c\n".encode("utf-16")),
        # Two files put together: the mark of the second stands inside.
        b"id;note\n1;a\n\xef\xbb\xbf2;b,c\n",
    ],
)
def test_what_spreadsheets_put_before_the_header_is_understood(data: bytes) -> None:
    assert [row.values for row in read(data)] == [
        {"id": "1", "note": "a"},
        {"id": "2", "note": "b,c"},
    ]


def test_reading_utf_16_resumes_at_any_row() -> None:
    text = "id;note\n" + "".join(f"{n};Zoë {n}\n" for n in range(50))
    spec = ImportSpec(source="s", format="csv")
    whole = read(text.encode("utf-16"))
    assert len(whole) == 50
    for at in (0, 7, 49):
        again = reader_for(spec, io.BytesIO(text.encode("utf-16")), MOST).rows(whole[at].after)
        assert list(again) == whole[at + 1 :]


def test_a_header_in_the_middle_is_no_person() -> None:
    rows = read(b"id,note\n1,a\nid,note\n2,b\n")
    assert [row.code for row in rows] == ["", "invalid_row", ""]
    assert "header" in rows[1].reason


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?"])
def test_a_formulas_error_costs_its_row_where_it_is_used(error: str) -> None:
    rows = f"id,total,note\n1,5,x\n2,{error},x\n3,5,{error}\n{error},5,x\n"
    found = entries(rows.encode())
    assert [one.refusal.path if one.refusal else "" for one in found] == [
        "",
        "properties.total",
        "",
        "userId",
    ]
    assert found[1].refusal is not None
    assert error in found[1].refusal.reason


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("46053", "2026-01-31T00:00:00Z"),
        ("46053.5", "2026-01-31T12:00:00Z"),
        ("46053.395833333336", "2026-01-31T09:30:00Z"),
        ("1769851800", "2026-01-31T09:30:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
    ],
)
def test_a_spreadsheets_day_number_is_a_date(cell: str, moment: str) -> None:
    (found,) = entries(f"id,at\n1,{cell}\n".encode())
    assert event(found)["timestamp"] == moment


def test_a_day_number_is_a_local_time() -> None:
    local = Mapping(
        type="identify", fields={"userId": "id", "timestamp": "at"}, timezone="Asia/Tokyo"
    )
    (found,) = entries(b"id,at\n1,46053\n", mapping=local)
    assert event(found)["timestamp"] == "2026-01-30T15:00:00Z"


@given(st.datetimes(datetime(1955, 1, 1), datetime(2118, 1, 1)))  # noqa: DTZ001 - local times
def test_every_day_number_is_the_day_it_was_made_of(moment: datetime) -> None:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    number = (day - datetime(1899, 12, 30)).days  # noqa: DTZ001 - local times
    assert day_number(str(number)) == day


@pytest.mark.parametrize("text", ["1", "19999", "80000", "146053", "46053x", "1.5", "-46053", ""])
def test_other_numbers_are_no_days(text: str) -> None:
    assert day_number(text) is None


@pytest.mark.parametrize(
    ("magic", "told"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (b"\x28\xb5\x2f\xfdrest", "zstd"),
        (b"PAR1rest", "format parquet"),
        (gzip.compress(b"PK\x03\x04rest"), "ZIP"),
    ],
)
def test_what_is_no_text_is_named(magic: bytes, told: str) -> None:
    for form in ("csv", "jsonl"):
        with pytest.raises(InvalidRequestError, match=told):
            read(magic, form)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_unfolds_without_end_is_given_up(form: str) -> None:
    line = (
        b'{"id":"1","note":"%s"}\n' % (b"x" * 1000)
        if form == "jsonl"
        else b"1," + b"x" * 1000 + b"\n"
    )
    bomb = gzip.compress(b"id,note\n" * (form == "csv") + line * 50_000)
    assert len(bomb) < 300_000
    with pytest.raises(InvalidRequestError, match="unfolds") as raised:
        read(bomb, form, most=2**21)
    assert raised.value.code == "too_large"


def test_times_to_the_nanosecond_keep_their_digits() -> None:
    stamps = [1_769_851_800_123_456_789, 1_769_851_800_000_000_000, 1_769_851_800_500_000_000, None]
    data = parquet(id=["1", "2", "3", "4"], at=pa.array(stamps, pa.timestamp("ns")))
    assert [row.values["at"] for row in read(data, "parquet") if row.values] == [
        "2026-01-31T09:30:00.123456789Z",
        "2026-01-31T09:30:00Z",
        "2026-01-31T09:30:00.500000Z",
        None,
    ]
    (first, *_) = entries(data, "parquet")
    assert event(first)["timestamp"].startswith("2026-01-31T09:30:00.123456")


UNITS = st.sampled_from(["s", "ms", "us", "ns"])


BEGIN, END = datetime(1700, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone


@given(st.datetimes(BEGIN, END, timezones=st.just(UTC)), UNITS)
def test_a_time_is_the_one_that_was_written(moment: datetime, unit: str) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    stored = microseconds * per_second // 10**6
    data = parquet(at=pa.array([stored], pa.timestamp(unit, tz="UTC")))
    (row,) = read(data, "parquet")
    assert row.values is not None
    kept = timedelta(microseconds=stored * 10**6 // per_second)
    assert datetime.fromisoformat(row.values["at"]) == datetime(1970, 1, 1, tzinfo=UTC) + kept


def test_the_year_10000_costs_its_row_only() -> None:
    later = 253_402_300_800  # the first second of it
    data = parquet(
        id=["1", "2", "3"],
        at=pa.array([0, later, 1], pa.timestamp("s")),
        day=pa.array([0, 0, 10**7], pa.int32()).cast(pa.date32()),
    )
    rows = read(data, "parquet")
    assert [row.code for row in rows] == ["", "invalid_row", "invalid_row"]
    assert rows[1].reason == "Column 'at': it is outside the years 1 to 9999."
    assert rows[2].reason.startswith("Column 'day'")


def test_bytes_that_are_no_text_cost_their_row_only() -> None:
    data = parquet(id=pa.array([b"1", b"\xff\xfe", b"3"], pa.binary()))
    assert [row.code for row in read(data, "parquet")] == ["", "invalid_row", ""]
    broken = pa.array([b"1", b"\xff\xfe", b"3"], pa.binary()).view(pa.string())
    rows = read(parquet(id=broken), "parquet")
    assert [row.code for row in rows] == ["", "invalid_row", ""]
    assert "UTF-8" in rows[1].reason
    assert "codec" not in rows[1].reason


@pytest.mark.parametrize(
    "amount", ["12345678901234567890.12", "0.10", "5.00", "9" * 32, "-" + "9" * 32]
)
def test_a_decimal_stays_exact(amount: str) -> None:
    data = parquet(
        id=["1"], total=pa.array([Decimal(amount)], pa.decimal128(38, 6 if "." in amount else 0))
    )
    plain = bytes(entries(data, "parquet")[0].item)
    kept = json.loads(plain, parse_float=Decimal, parse_int=Decimal)["properties"]["total"]
    assert kept == Decimal(amount)
    fields: dict[str, str | Field] = {
        "userId": "id",
        "properties.total": Field(path="total", type="string"),
    }
    (found,) = entries(data, "parquet", Mapping(event="Paid", fields=fields))
    assert Decimal(event(found)["properties"]["total"]) == Decimal(amount)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20
    )
)
def test_no_digit_of_a_decimal_is_lost_by_a_cast(amount: Decimal) -> None:
    found = cast(amount, "number")
    assert Decimal(found) == amount


def shared(value: str, rows: int) -> bytes:
    """A Parquet file that names one large value in each of its rows."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))
    file = io.BytesIO()
    pq.write_table(
        pa.table({"id": pa.array(["1"] * rows), "note": column}), file, compression="zstd"
    )
    return file.getvalue()


def test_a_value_that_many_rows_share_is_not_unfolded() -> None:
    data = shared("x" * (5 * 2**20), 50_000)
    assert len(data) < 5_000
    spec = ImportSpec(source="s", format="parquet")
    found = reader_for(spec, io.BytesIO(data), 2**40).rows(Place())
    rows = (row for row in found if isinstance(row, Row))
    before = pa.total_allocated_bytes()
    first: Sequence[Row] = [next(rows) for _ in range(500)]
    assert {row.code for row in first} == {"invalid_row"}
    assert pa.total_allocated_bytes() - before < 2**26
    with pytest.raises(InvalidRequestError, match="unfolds"):
        list(reader_for(spec, io.BytesIO(data), 2**30).rows(Place()))


def test_a_value_that_many_rows_share_is_read_where_it_is_small() -> None:
    rows = read(shared("Zoë", 1_000), "parquet")
    assert len(rows) == 1_000
    assert {tuple(row.values.items()) for row in rows if row.values} == {
        (("id", "1"), ("note", "Zoë"))
    }
