"""`rapport profile search`, `lookup` and `export`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rapport_cli.people_files import cut

if TYPE_CHECKING:
    from pathlib import Path

    from libs.cli.tests.conftest import Answers, Rapport

EXPORT = "POST /v1/profiles/export"


def test_search_shows_who_fits_and_by_what(rapport: Rapport, server: Answers) -> None:
    hit = {"id": "p1", "fits": "misspelt", "matched": [{"field": "traits.name", "value": "Ada"}]}
    page = {"items": [hit], "next": "more", "complete": False}
    server.answers["GET /v1/profiles/search"] = (200, page)
    told = rapport("profile", "search", "adda", "köln")
    assert "traits.name: Ada" in told.stdout
    assert "--cursor more" in told.stderr
    assert "add a word" in told.stderr
    assert server.calls[-1][1] == "/v1/profiles/search?q=adda+k%C3%B6ln&limit=20"
    assert json.loads(rapport("profile", "search", "adda", "--json").stdout) == page


def test_lookup_keeps_the_order_of_the_file(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    lines = [f"user_id u {n}" for n in range(1_001)]
    (tmp_path / "who.txt").write_text("\ufeff" + "\n\n".join(lines))
    found = {"kind": "user_id", "value": "u 0", "profile": {"id": "p1", "traits": {"name": "Ada"}}}
    server.answers["POST /v1/profiles/lookup"] = (200, {"items": [{**found, "profile": None}]})
    server.then["POST /v1/profiles/lookup"] = [(200, {"items": [found]})]
    told = rapport("profile", "lookup", "who.txt", "--field", "traits", "--json")
    assert [one["profile"] and one["profile"]["id"] for one in json.loads(told.stdout)["items"]]
    bodies = [body for _method, _path, body in server.calls]
    assert [len(one["identifiers"]) for one in bodies] == [1_000, 1]
    assert bodies[1] == {
        "identifiers": [{"kind": "user_id", "value": "u 1000"}],
        "fields": ["traits"],
    }


def test_a_line_without_a_value_is_named(rapport: Rapport, tmp_path: Path) -> None:
    (tmp_path / "who.txt").write_text("user_id 1\nemail\n")
    told = rapport("profile", "lookup", "who.txt")
    assert told.returncode == 1
    assert "line 2" in told.stderr


def test_an_export_is_whole_or_not_there(rapport: Rapport, server: Answers, tmp_path: Path) -> None:
    server.answers[EXPORT] = (200, b"\x01\x02")
    server.breaks += [EXPORT] * 9
    told = rapport("profile", "export", "people.parquet")
    assert told.returncode == 1
    assert list(tmp_path.glob("people*")) == []
    server.breaks.clear()
    told = rapport("profile", "export", "people.parquet", "--column", "id", "--gzip")
    assert (tmp_path / "people.parquet").read_bytes() == b"\x01\x02"
    assert server.calls[-1][2] == {"format": "parquet", "columns": ["id"], "gzip": True}


@pytest.mark.parametrize(
    ("name", "first", "after"),
    [
        ("people.csv", b'id,traits.note\r\np1,a\r\np2,"b\r\nc"\r\np3,"d\r\n', "p2"),
        ("people.jsonl", b'{"id": "p1"}\n{"id": "p2", "a": "\\""}\n{"id": "p', "p2"),
        ("people.csv", b"id,traits.no", None),
        ("people.csv", b"id,traits.note\r\n", None),
    ],
)
def test_what_breaks_off_goes_on_behind_the_last_whole_one(
    rapport: Rapport,
    server: Answers,
    tmp_path: Path,
    *,
    name: str,
    first: bytes,
    after: str | None,
) -> None:
    server.then[EXPORT] = [(200, first), (200, b"the rest")]
    server.breaks.append(EXPORT)
    columns = ["--column", "id", "--column", "traits.note"]
    told = rapport("profile", "export", name, *columns, "--json")
    written = (tmp_path / name).read_bytes()
    assert json.loads(told.stdout) == {"file": name, "bytes": len(written)}
    assert written.endswith(b"the rest")
    assert server.calls[-1][2].get("after") == after
    if after:
        assert written == first[: first.rindex(b"p3" if b"p3" in first else b'{"id": "p')] + (
            b"the rest"
        )


def test_only_whole_records_stay(tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(b'x,"id"\r\n"a\n""b","p9"\r\n"c')
    assert cut(part, "csv", ["x", "id"]) == "p9"
    assert part.read_bytes() == b'x,"id"\r\n"a\n""b","p9"\r\n'


def test_a_file_of_no_known_kind_is_refused(rapport: Rapport, tmp_path: Path) -> None:
    assert "its name says" in rapport("profile", "export", "people.xlsx").stderr
    (tmp_path / "ids").write_text("p1\np2\n")
    rapport("profile", "export", "people.csv.gz", "--ids", "ids", "--gzip", "--keep-formulas")
