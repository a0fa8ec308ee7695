"""Whatever is in a file, its reader tells how far it is, and goes on from there."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.ingest.tests.test_readers import GROUPED, IDENTIFY, POS, POS_SPEC, reader

from rapport_common.errors import InvalidRequestError
from rapport_common.files import lines, separated
from rapport_common.files.rows import INSIDE, Place
from rapport_common.files.unpacking import MAX_ROW_BYTES
from rapport_common.testing.examples import examples
from rapport_ingest.domain import rows
from rapport_ingest.domain.columns import require_columns
from rapport_ingest.domain.imports import spec_of
from rapport_ingest.domain.mapping import Mapper, Mapping
from rapport_ingest.domain.rows import Composer, Entry
from rapport_ingest.domain.totals import Tally
from rapport_ingest.handlers.places import Found
from rapport_ingest.handlers.readers import child
from rapport_ingest.handlers.readers.frames import Assignment, Checked, Checking
from rapport_ingest.handlers.readers.process import reading

SIGN_BYTES = 2**12
BLANK = b"\n" * (5 * SIGN_BYTES)
LONG = b"x" * (3 * MAX_ROW_BYTES) + b"\n"
GOOD = {"csv": b"1,a\n", "jsonl": b'{"id":"1","note":"a"}\n'}


def told(data: bytes, form: str, mapping: Mapping, place: Place = Place()) -> list[Entry | Place]:  # noqa: B008 - a value
    composer = Composer(Mapper(mapping), None, ids="row", source="s", job="j")
    return list(composer.entries(reader(data, form).rows(place), place.refused))


def after(one: Entry | Place) -> Place:
    return one if isinstance(one, Place) else one.after


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("nothing", [BLANK, b" \r\n" * 2**13, LONG], ids=["lf", "blank", "long"])
def test_where_there_is_nothing_for_long_the_place_is_told(form: str, nothing: bytes) -> None:
    data = (b"id,note\n" if form == "csv" else b"") + GOOD[form] + nothing + GOOD[form]
    found = told(data, form, IDENTIFY)
    kept = [one for one in found if isinstance(one, Entry)]
    refused = [one.refusal is not None for one in kept]
    assert refused == ([False, True, False] if nothing is LONG else [False, False])
    ends = [after(one).minor for one in found]
    most = max(after - before for before, after in zip([0, *ends], [*ends, len(data)], strict=True))
    assert most <= (MAX_ROW_BYTES if nothing is LONG else SIGN_BYTES) + 100
    # The rest of a line that is too long is no row, wherever reading goes on.
    for number, one in enumerate(found):
        assert told(data, form, IDENTIFY, after(one)) == found[number + 1 :]
    assert any(after(one).major == INSIDE for one in found) is (nothing is LONG)


Lines = st.lists(st.sampled_from(["1,a", "1,b", "2,a", ",a", "1,a,b", "", "", ""]), max_size=30)


@pytest.fixture(scope="module", autouse=True)
def _in_small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "MAX_GROUP", 3)
        for module in (lines, separated):
            patch.setattr(module, "SIGN_BYTES", SIGN_BYTES)
        yield


@settings(deadline=None, max_examples=examples(300))
@given(Lines)
def test_an_event_without_an_end_is_refused_and_reading_resumes_in_it(found: list[str]) -> None:
    data = "\n".join(["id,note", *found, ""]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separated, "SIGN_BYTES", 2)
        whole = told(data, "csv", GROUPED)
        for number, one in enumerate(whole):
            assert told(data, "csv", GROUPED, after(one)) == whole[number + 1 :]
    kept = [one for one in whole if isinstance(one, Entry)]
    assert sum(one.size for one in kept) == sum(bool(one) for one in found)
    assert all(one.size <= 4 for one in kept)
    # What is accepted is whole: its neighbours among the rows that can be read are others'.
    keys = {
        number: line.split(",")[0]
        for number, line in enumerate(filter(None, found), 1)
        if line.count(",") == 1
    }
    for one in kept:
        if one.refusal is None:
            before = [keys[number] for number in sorted(keys) if number < one.first]
            behind = [keys[number] for number in sorted(keys) if number > one.last]
            assert keys[one.first] not in {*before[-1:], *behind[:1]}


def test_a_receipt_is_no_order_when_blank_lines_part_it() -> None:
    data = b"id,note\n1,a\n" + BLANK + b"1,b\n2,c\n"
    first, *signs, second, third = told(data, "csv", GROUPED)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert isinstance(third, Entry)
    assert {after(one).rows for one in signs} == {1}
    refused = [one.refusal is not None for one in (first, second, third)]
    assert refused == [True, True, False]


def assigned(path: Path, data: bytes, name: str, **more: Any) -> Assignment:
    path.write_bytes(data)
    mapping = {"type": "identify", "fields": {"userId": "id"}}
    spec = spec_of({"source": "s", "name": name, "mapping": mapping, **more})
    return Assignment(spec=spec, job="j", path=str(path), memory=2**28, unpacked=2**30)


async def test_a_process_that_reads_blank_lines_gives_signs(tmp_path: Path) -> None:
    blank = b" " * 63 + b"\n"
    data = gzip.compress(b"id\n" + blank * (3 * 2**20 // len(blank)) + b"7\n")
    async with reading(assigned(tmp_path / "f", data, "a.csv")) as file:
        for number in range(1, 4):
            assert await file.take(10) == []
            assert (file.ended, file.place.rows) == (False, 0)
            assert file.place.minor >= number * 2**20
        [entry] = await file.take(10)
        assert (entry.first, entry.id) == (1, entry.id)
        assert await file.take(10) == []
        assert file.ended


def checking(monkeypatch: pytest.MonkeyPatch, tally: Tally) -> list[Any]:
    monkeypatch.setattr(child, "CHECKED_ROWS", 1)
    data = POS + b"TOTAL;3;998,35\n"
    monkeypatch.setattr(child, "_open", lambda _: Found(io.BytesIO(data), len(data), "same"))
    limits: dict[str, Any] = {"memory": 2**28, "unpacked": 2**30}
    wanted = Assignment(spec=spec_of(POS_SPEC), job="j", path="", tally=tally, **limits)
    return [one for one in child._frames(wanted) if isinstance(one, (Checking, Checked))]


def test_a_check_of_totals_tells_how_far_it_is_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    *on_the_way, checked = checking(monkeypatch, Tally())
    assert checked == Checked({"lines": 3, "amount": "998.35", "trailer": True})
    assert [one.tally.lines for one in on_the_way] == [1, 2, 3]
    for one in on_the_way:
        kept = msgspec.json.decode(msgspec.json.encode(one.tally), type=Tally)
        assert checking(monkeypatch, kept)[-1] == checked


def test_a_head_of_blank_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separated, "MAX_HEAD_BYTES", SIGN_BYTES)
    with pytest.raises(InvalidRequestError, match="no header among its first lines"):
        reader(BLANK + b"id\n")


COLUMNS = ("id", "Email", "ship.to", "order")


@pytest.mark.parametrize(
    ("mapping", "form", "missing"),
    [
        ({"fields": {"userId": "id", "traits.email": "Emial"}}, "csv", ["Emial"]),
        ({"fields": {"userId": "id", "traits.email": "email"}}, "csv", ["email"]),
        ({"fields": {"userId": "id", "traits.to": "ship.to", "traits": "."}}, "csv", []),
        ({"fields": {"userId": "order.by"}}, "csv", ["order.by"]),
        ({"fields": {"userId": "order.by", "traits.to": "shop.by"}}, "parquet", ["shop.by"]),
        ({"fields": {"userId": "id", "messageId": {"template": "{id}-{no}"}}}, "csv", ["no"]),
        ({"fields": {"userId": "id", "traits.n": {"sum": ["a", "id"]}}}, "csv", ["a"]),
        ({"type": "track", "event": "E {kind}", "fields": {"userId": "id"}}, "csv", ["kind"]),
        (
            {
                "type": "track",
                "event": "E",
                "group_by": "{id}-{till}",
                "lines": {"sku": "Sku"},
                "fields": {"userId": "id"},
            },
            "csv",
            ["Sku", "till"],
        ),
    ],
)
def test_a_mapping_names_columns_that_the_file_has(
    mapping: dict[str, Any], form: str, missing: list[str]
) -> None:
    spec = spec_of({"source": "s", "format": form, "mapping": {"type": "identify", **mapping}})
    require_columns(spec, None)
    if not missing:
        require_columns(spec, COLUMNS)
        return
    with pytest.raises(InvalidRequestError) as raised:
        require_columns(spec, COLUMNS)
    assert raised.value.code == "unknown_columns"
    assert raised.value.details == {"missing": missing, "columns": list(COLUMNS)}
    assert f"'{missing[0]}'" in raised.value.message
    assert "'ship.to'" in raised.value.message


def test_a_presets_file_needs_only_what_it_can_not_do_without() -> None:
    spec = spec_of({"source": "s", "name": "a.csv", "preset": "pos"})
    columns = ["store", "till", "receipt", "time", "sku", "quantity", "unit_price"]
    require_columns(spec, columns)
    with pytest.raises(InvalidRequestError, match="'unit_price'"):
        require_columns(spec, columns[:-1])
