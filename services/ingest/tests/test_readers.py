"""Readers: every row once, whole or refused, and the same wherever reading resumes."""

import csv
import gzip
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport_common.errors import InvalidRequestError
from rapport_common.files.rows import Place, Row
from rapport_common.files.separated import SeparatedReader
from rapport_common.files.unpacking import MAX_ROW_BYTES
from rapport_common.testing.examples import examples
from rapport_ingest.domain.imports import ImportSpec, Options, mapping_for, spec_of
from rapport_ingest.domain.mapping import Field, Mapper, Mapping
from rapport_ingest.domain.presets import preparing
from rapport_ingest.domain.rows import MEND, Composer, Entry
from rapport_ingest.domain.totals import Tally, Totals
from rapport_ingest.handlers.readers import Reader, reader_for

MOST = 2**30
IDENTIFY = Mapping(type="identify", fields={"userId": "id", "traits.note": "note"})


def reader(data: bytes, form: str = "csv", **options: Any) -> Reader:
    spec = ImportSpec(source="s", format=form, options=Options(**options))  # type: ignore[arg-type] # a test's words
    return reader_for(spec, io.BytesIO(data), MOST)


def read(data: bytes, form: str = "csv", **options: Any) -> list[Row]:
    return [row for row in reader(data, form, **options).rows(Place()) if isinstance(row, Row)]


def values(data: bytes, **options: Any) -> list[dict[str, Any] | None]:
    return [row.values for row in read(data, **options)]


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (b"id,note\n1,a\n2,b", {}, [["1", "a"], ["2", "b"]]),
        (b"\xef\xbb\xbfid;note\r\n1;a\r\n\r\n2;b\r\n", {}, [["1", "a"], ["2", "b"]]),
        (b'id,note\n1,"a\n\nb"\n2,""""\n', {}, [["1", "a\n\nb"], ["2", '"']]),
        ("id\tnote\n1\tGr\u00fc\u00dfe\n".encode(), {}, [["1", "Grüße"]]),
        (
            "id,note\n1,Gr\u00fc\u00dfe\n".encode("latin-1"),
            {"encoding": "iso-8859-1"},
            [["1", "Grüße"]],
        ),
        (b'id,note\n1,"a\n', {"quote": ""}, [["1", '"a']]),
        (b"1,a\n", {"header": False, "columns": ("id", "note")}, [["1", "a"]]),
        (b"x,y\n1,a\n", {"columns": ("id", "note")}, [["1", "a"]]),
        (b"id,note\n1\n", {"short_rows": "fill"}, [["1"]]),
        (b"id,note\n,\n", {}, [["", ""]]),
    ],
)
def test_what_csv_may_look_like(
    data: bytes, options: dict[str, Any], expected: list[list[str]]
) -> None:
    assert values(data, **options) == [
        dict(zip(("id", "note"), row, strict=False)) for row in expected
    ]


@pytest.mark.parametrize(
    ("data", "number", "reason"),
    [
        (b"id,note\n1,a\n2\n3,c\n", 2, "1 cells"),
        (b"id,note\n1,a\n2,b,c\n3,c\n", 2, "3 cells"),
        (b'id,note\n1,a\n2,"b"x\n3,c\n', 2, "expected after"),
        (b'id,note\n1,a\n2,"b\n3,c\n', 2, "not closed"),
        (b"id,note\n1,a\n2,\xff\n3,c\n", 2, "utf-8"),
        (b"id,note\n1,a\n2,b\rx\n3,c\n", 2, "new-line"),
        (
            b'id,note\n1,a\n2,"' + (b"x" * 9999 + b"\n") * (MAX_ROW_BYTES // 9999) + b"3,c\n",
            2,
            "not closed",
        ),
    ],
    ids=["short", "long", "behind a quote", "open quote", "encoding", "lone CR", "endless quote"],
)
def test_a_bad_row_costs_no_other(data: bytes, number: int, reason: str) -> None:
    rows = read(data)
    bad = [row for row in rows if row.values is None]
    assert bad[0].after.rows == number
    assert reason in bad[0].reason
    assert [row.values for row in (rows[0], rows[-1])] == [
        {"id": "1", "note": "a"},
        {"id": "3", "note": "c"},
    ]
    assert [row.after.rows for row in rows] == list(range(1, len(rows) + 1))


def test_a_cell_may_have_a_million_characters() -> None:
    [row] = read(b'id,note\n1,"' + b"x" * 10**6 + b'"\n')
    assert row.values is not None
    assert len(row.values["note"]) == 10**6


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"id,id\n1,2\n", "two columns"),
        (b"id,note\r1,2\r3,4\r", "line feed"),
        (b'"id,note\n', "header"),
    ],
)
def test_a_file_without_a_head_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        reader(data)


@pytest.mark.parametrize("cut", [1, 9, 60])
def test_a_damaged_gzip_says_so(cut: int) -> None:
    packed = gzip.compress(b"id,note\n" + b"".join(b"%d,x%d\n" % (n, n * n) for n in range(99)))
    assert len(read(packed)) == 99
    with pytest.raises(InvalidRequestError, match="damaged or ends early"):
        read(packed[:-cut])


def test_json_lines() -> None:
    data = b'\xef\xbb\xbf{"a":1}\n\n[1]\r\n{"a":\n{"b":2}'
    rows = read(data, "jsonl")
    assert [row.code for row in rows] == ["", "not_an_object", "invalid_json", ""]
    long = b'{"a":"' + b"x" * MAX_ROW_BYTES + b'"}\n{"b":2}\n'
    assert [row.code for row in read(long, "jsonl")] == ["row_too_large", ""]


def test_parquet_values_become_json() -> None:
    moment = datetime(2026, 1, 31, 9, 30)  # noqa: DTZ001 - without a zone in the file
    table = pa.table(
        {
            "id": pa.array([1, None], pa.int64()),
            "price": pa.array([Decimal("1.50"), Decimal(2)], pa.decimal128(9, 2)),
            "at": pa.array([moment, moment.replace(tzinfo=None)], pa.timestamp("us")),
            "x": pa.array([float("nan"), 0.5]),
            "tags": pa.array([["a"], []]),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    first, second = read(file.getvalue(), "parquet")
    assert first.values == {
        "id": 1,
        "price": Decimal("1.50"),
        "at": "2026-01-31T09:30:00Z",
        "x": None,
        "tags": ["a"],
    }
    assert second.values is not None
    assert second.values["price"] == 2
    with pytest.raises(InvalidRequestError, match="Parquet"):
        reader(file.getvalue()[:-9], "parquet")


Cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
Tables = st.lists(st.tuples(st.integers(1, 4).map(str), Cells), min_size=1, max_size=12)


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("id", "note"), *rows])
    return text.getvalue().encode()


def as_parquet(rows: Sequence[Sequence[str]]) -> bytes:
    file = io.BytesIO()
    columns = dict(zip(("id", "note"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({key: list(one) for key, one in columns.items()}), file, 5)
    return file.getvalue()


def as_jsonl(rows: Sequence[Sequence[str]]) -> bytes:
    made = [dict(zip(("id", "note"), row, strict=True)) for row in rows]
    return b"\n".join(msgspec.json.encode(one) for one in made)


def entries(data: bytes, form: str, place: Place, mapping: Mapping, ids: Any) -> list[Entry]:
    composer = Composer(Mapper(mapping), None, ids=ids, source="s", job="j")
    found = composer.entries(reader(data, form).rows(place), place.refused)
    return [one for one in found if isinstance(one, Entry)]


GROUPED = Mapping(
    event="Sold",
    fields={"userId": "id", "messageId": Field(template="r-{id}")},
    group_by="id",
    lines={"note": "note"},
)


@settings(max_examples=examples(60))
@given(
    Tables,
    st.sampled_from(["csv", "gzip", "jsonl", "parquet"]),
    st.sampled_from([IDENTIFY, GROUPED]),
    st.sampled_from(["row", "content", "job"]),
)
def test_wherever_reading_resumes_the_entries_are_the_same(
    rows: list[tuple[str, str]], form: str, mapping: Mapping, ids: str
) -> None:
    data = {"jsonl": as_jsonl, "parquet": as_parquet}.get(form, as_csv)(rows)
    data = gzip.compress(data) if form == "gzip" else data
    form = "csv" if form == "gzip" else form
    whole = entries(data, form, Place(), mapping, ids)
    assert sum(entry.size for entry in whole) == len(rows)
    assert not any(entry.refusal for entry in whole)
    for number, entry in enumerate(whole):
        assert entries(data, form, entry.after, mapping, ids) == whole[number + 1 :]
    if mapping is IDENTIFY:
        notes = [msgspec.json.decode(one.item).get("traits", {}).get("note") for one in whole]
        assert notes == [note if note.strip() else None for _, note in rows]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for form in ("csv", "jsonl"):
        try:
            rows = read(data, form)
        except InvalidRequestError:
            continue
        assert [row.after.rows for row in rows] == list(range(1, len(rows) + 1))
        offsets = [row.after.minor for row in rows]
        assert offsets == sorted(set(offsets))
        assert all(row.code for row in rows if row.values is None)


def test_ids_row_content_and_job() -> None:
    data = b"id,note\n1,a\n1,a\n"
    for ids, count in (("row", 2), ("content", 1), ("job", 2)):
        found = entries(data, "csv", Place(), IDENTIFY, ids)
        assert len({one.id for one in found}) == count
        # The rows of a file that has grown at its end keep their ids.
        more = entries(data + b"2,b\n", "csv", Place(), IDENTIFY, ids)
        assert [one.id for one in more][:2] == [one.id for one in found]


POS = (
    b"store;till;receipt;time;sku;quantity;unit_price;currency;loyalty_card\n"
    b"7;2;1001;01.07.2026 23:30;A;3;0,10;EUR;c9\n"
    b"7;2;1001;01.07.2026 23:30;B;1;1.000,05;EUR;c9\n"
    b"7;2;1002;02.07.2026 00:10;C;-1;2,00;EUR;\n"
)
POS_SPEC: dict[str, Any] = {
    "source": "tills",
    "preset": "pos",
    "name": "z.csv",
    "options": {
        "decimals": ",",
        "timezone": "Europe/Berlin",
        "time_format": "%d.%m.%Y %H:%M",
    },
}


def pos_entries(data: bytes) -> list[Entry]:
    spec = spec_of(POS_SPEC)
    mapping = mapping_for(spec)
    assert mapping is not None
    prepare = preparing("pos", spec.options.timezone, spec.options.time_format)
    composer = Composer(Mapper(mapping), prepare, ids="row", source="tills", job="j")
    found = composer.entries(reader_for(spec, io.BytesIO(data), MOST).rows(Place()))
    return [one for one in found if isinstance(one, Entry)]


def test_a_tills_file_becomes_orders() -> None:
    first, second = pos_entries(POS)
    assert (first.size, second.size) == (2, 1)
    order = msgspec.json.decode(first.item)
    assert order["messageId"] == "7-2-1001-2026-07-01"
    assert order["timestamp"] == "2026-07-01T21:30:00Z"
    assert order["anonymousId"] == "loyalty-card-c9"
    assert order["properties"]["total"] == 1000.35
    assert [one["sku"] for one in order["properties"]["products"]] == ["A", "B"]
    returned = msgspec.json.decode(second.item)
    assert returned["messageId"] == "7-2-1002-2026-07-02"
    assert returned["properties"]["total"] == -2
    assert "anonymousId" not in returned


def test_a_receipt_with_a_line_that_can_not_be_read_is_refused_whole() -> None:
    lines = POS.splitlines(keepends=True)
    first, second = pos_entries(b"".join([*lines[:2], b"7;2\n", *lines[2:]]))
    assert first.refusal is not None
    assert "Row 2" in first.refusal.reason
    assert (first.size, second.size, second.refusal) == (3, 1, None)


def test_too_many_lines_of_one_receipt_are_refused_and_counted() -> None:
    lines = POS.splitlines(keepends=True)
    *many, last = pos_entries(b"".join([lines[0], *[lines[1]] * 2500, lines[3]]))
    assert all(one.refusal is not None for one in many)
    assert [(one.first, one.last) for one in many] == [(1, 1001), (1002, 2002), (2003, 2500)]
    assert sum(one.size for one in many) == 2500
    assert (last.size, last.refusal) == (1, None)


@pytest.mark.parametrize(
    ("end", "needed", "problem"),
    [
        (b"TOTAL;3;998,35\n", True, None),
        (b"TOTAL;3\n\n", True, None),
        (b"", False, None),
        (b"", True, "no trailer"),
        (b"TOTAL;4;998,35\n", False, "4 lines, 3 are there"),
        (b"TOTAL;3;998,36\n", False, "add up to 998.35"),
        (b"TOTAL;3;x\n", False, "amount"),
        (b"TOTAL\n", False, "says nothing"),
        (b"TOTAL;3;998,35\n" + POS.splitlines()[1], False, "behind the trailer"),
    ],
)
def test_a_trailer_is_compared(end: bytes, needed: bool, problem: str | None) -> None:  # noqa: FBT001
    found = reader_for(spec_of(POS_SPEC), io.BytesIO(POS + end), MOST)
    assert isinstance(found, SeparatedReader)
    totals = Totals(",", Tally())
    for row in found.rows(Place()):
        assert isinstance(row, Row)
        totals.add(row)
    if problem is None:
        checked = totals.compared(found.trailer, found.behind_trailer, needed=needed)
        assert checked == {"lines": 3, "amount": "998.35", "trailer": bool(end)}
    else:
        with pytest.raises(InvalidRequestError, match=problem):
            totals.compared(found.trailer, found.behind_trailer, needed=needed)


MAPPED = {"type": "identify", "fields": {"userId": "id"}}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ([], "spec"),
        ({"source": "s", "name": "a.csv"}, "mapping"),
        ({"source": "s", "name": "a.xls", "mapping": MAPPED}, "format"),
        ({"source": "s", "name": "a.csv", "preset": "sap"}, "preset"),
        ({"source": "s", "name": "a.csv", "preset": "pos", "mapping": MAPPED}, "mapping"),
        ({"source": "s", "name": "a.jsonl", "party": "third"}, "provider"),
        ({"source": "s", "name": "a.jsonl", "party": "second", "provider": "x"}, "legal_basis"),
        ({"source": "s", "name": "a.jsonl", "options": {"delimiter": ",,"}}, "options.delimiter"),
        ({"source": "s", "name": "a.jsonl", "options": {"header": False}}, "options.columns"),
        ({"source": "s", "name": "a.jsonl", "options": {"encoding": "utf-16"}}, "spec"),
        ({"source": "s\0", "name": "a.jsonl"}, "source"),
        (
            {"source": "s", "name": "a.csv", "preset": "pos", "options": {"timezone": "x"}},
            "mapping.timezone",
        ),
    ],
)
def test_a_bad_spec_is_refused_at_its_field(spec: Any, path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        spec_of(spec)
    assert caught.value.details["path"] == path


def test_a_spec_survives_being_stored() -> None:
    spec = spec_of({"source": "s", "name": "A.CSV.GZ", "mapping": MAPPED})
    assert spec.form == "csv"
    assert msgspec.convert(msgspec.to_builtins(spec), ImportSpec) == spec


def test_moments_of_a_row_without_a_time_are_missing() -> None:
    prepare = preparing("pos", None, None)
    assert prepare({"time": "x"}) == {"time": "x"}
    assert prepare({"time": datetime(2026, 1, 1, tzinfo=UTC).isoformat()})["date"] == "2026-01-01"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"options": {"delimiter": ""}}, "options.delimiter"),
        ({"options": {"delimiter": "\n"}}, "options.delimiter"),
        ({"options": {"quote": ",", "delimiter": ","}}, "options.quote"),
        ({"options": {"columns": ["a", "a"]}}, "options.columns"),
        ({"options": {"limit": 0}}, "options.limit"),
        ({"options": {"trailer": "TOTAL"}}, "options.trailer"),
        ({"options": {"columns": ["a", ""]}}, "options.columns.1"),
    ],
)
def test_options_that_can_not_be_followed_are_refused(spec: Any, path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        spec_of({"source": "s", "name": "a.jsonl", **spec})
    assert caught.value.details["path"] == path


def test_a_spec_says_whose_data_it_is_and_its_format_once_checked() -> None:
    whose = {"party": "third", "provider": "X", "legal_basis": "consent"}
    spec = spec_of({"source": "s", "name": "a.jsonl", **whose})
    assert msgspec.to_builtins(spec.provenance) == whose
    with pytest.raises(ValueError, match="has not been checked"):
        _ = ImportSpec(source="s").form


def test_entries_are_named_by_their_rows() -> None:
    one, *_, last = pos_entries(POS)
    assert (one.rows, last.rows) == ("rows 1-2", "row 3")


def composed(rows: list[Row], mapping: Mapping | None, **more: Any) -> list[Entry]:
    given = {"ids": "row", "source": "s", "job": "j", **more}
    prepare = given.pop("prepare", None)
    mapper = Mapper(mapping) if mapping is not None else None
    found = Composer(mapper, prepare, **given).entries(rows)
    return [one for one in found if isinstance(one, Entry)]


def test_rows_that_are_events_go_on_as_they_came() -> None:
    raw, made = composed(
        [Row(Place(rows=1), {"a": 1.1}, b'{"a": 1.10}'), Row(Place(rows=2), {"a": 2})], None
    )
    assert (bytes(raw.item), bytes(made.item)) == (b'{"a": 1.10}', b'{"a":2}')


def test_a_row_that_can_not_be_read_is_refused_alone() -> None:
    broken = Row(Place(rows=1), None, b"\xff", "bad_row", "It is not text.")
    for mapping in (None, IDENTIFY, mapping_for(spec_of(POS_SPEC))):
        [entry] = composed([broken], mapping)
        assert entry.refusal is not None
        assert entry.refusal.code == "bad_row"
        assert entry.refusal.reason == f"It is not text. {MEND}"
        assert msgspec.json.decode(entry.item) == "\ufffd"


def test_a_row_is_prepared_before_it_is_mapped() -> None:
    def prepare(row: dict[str, Any]) -> dict[str, Any]:
        row["id"] = f"u-{row['id']}"
        return row

    [entry] = composed([Row(Place(rows=1), {"id": "1"})], IDENTIFY, prepare=prepare)
    assert msgspec.json.decode(entry.item)["userId"] == "u-1"


def test_a_spreadsheets_error_in_a_line_is_refused_with_its_place() -> None:
    lines = POS.replace(b";B;", b";#N/A;")
    first, second = pos_entries(lines)
    assert first.refusal is not None
    assert first.refusal.path == "properties.products.1.product_id"
    assert second.refusal is None


def test_a_receipt_without_a_number_is_a_group_of_its_own() -> None:
    first, second, third = pos_entries(POS.replace(b";1001;", b";;"))
    assert [one.size for one in (first, second, third)] == [1, 1, 1]


def test_a_line_without_an_amount_leaves_the_file_without_a_sum() -> None:
    good = Row(Place(rows=1), {"quantity": "2", "unit_price": "1.50"})
    for bad in (Row(Place(rows=2), None), Row(Place(rows=2), {"quantity": "x"})):
        totals = Totals(".", Tally())
        for row in (good, bad, good):
            totals.add(row)
        found = totals.compared(["TOTAL", "3"], 0, needed=True)
        assert found == {"lines": 3, "amount": None, "trailer": True}
        with pytest.raises(InvalidRequestError, match="no quantity and price"):
            totals.compared(["TOTAL", "3", "3.00"], 0, needed=True)


def test_a_till_that_says_the_day_itself_is_believed() -> None:
    row = {"time": "2026-07-02T00:10:00", "date": "2026-07-01"}
    assert preparing("pos", None, None)(dict(row)) == row


def test_a_spec_has_its_own_mapping_its_presets_or_none() -> None:
    own = mapping_for(spec_of({"source": "s", "name": "a.csv", "mapping": MAPPED}))
    assert own is not None
    assert own.fields == MAPPED["fields"]
    assert mapping_for(spec_of({"source": "s", "name": "a.jsonl"})) is None


def test_a_spreadsheets_error_that_no_field_reads_costs_nothing() -> None:
    head, *lines = POS.splitlines()
    data = b"\n".join([head + b";cashier", *(line + b";#N/A" for line in lines)])
    assert [one.refusal for one in pos_entries(data)] == [None, None]


def test_a_row_whose_group_can_not_be_read_stands_alone() -> None:
    mapping = Mapping(event="x", fields={"userId": "id"}, group_by="g", lines={"sku": "sku"})
    rows = [Row(Place(rows=n), {"id": "u", "g": {"a": n}, "sku": "s"}) for n in (1, 2)]
    found = composed(rows, mapping)
    assert [one.size for one in found] == [1, 1]
    told = [(one.refusal.path, one.refusal.reason) for one in found if one.refusal is not None]
    assert told == [("group_by", "'{…}' is not text.")] * 2
