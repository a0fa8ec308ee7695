"""`rapport profile export`: people as a file, which is whole or not there."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import show
from rapport_cli.errors import CliError
from rapport_cli.finding import app
from rapport_cli.whole_files import format_of, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport_cli.client import Api

__all__ = ["app"]  # with the commands of `finding` and this
TRIES = 5
USUAL = ("id", "version", "identifiers", "traits", "computed", "consent", "contact_points")


@app.command("export")
def export_people(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write: .csv, .jsonl or .parquet.")],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Such as id, traits.city, computed.orders; several times."),
    ] = None,
    ids: Annotated[Path | None, typer.Option(help="Only these: a file of ids, one a line.")] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Pack the file.")] = False,
    keep_formulas: Annotated[
        bool, typer.Option("--keep-formulas", help="CSV for programs, not for spreadsheets.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write people to a file; everybody, unless ids are given."""
    names = list(column or USUAL)
    body: dict[str, Any] = {"format": format_of(file), "columns": names, "gzip": gzip}
    if ids is not None:
        body["ids"] = _lines(ids)
    if keep_formulas:
        body["formulas"] = "keep"
    with whole(file, as_json=as_json) as part:
        _written(show.session(ctx).api("profile"), body, part)


def _written(api: Api, body: dict[str, Any], part: Path) -> None:
    """Write the whole answer; where it breaks off, go on behind the last person it had."""
    part.write_bytes(b"")
    for tries_left in reversed(range(TRIES)):
        try:
            with part.open("ab") as out:
                for piece in api.download("/v1/profiles/export", body):
                    out.write(piece)
        except CliError as error:
            if error.code != "unreachable" or not tries_left or not _can_go_on(body):
                raise
            last = cut(part, body["format"], body["columns"])
            if last is not None:
                body["after"] = last
        else:
            return


def _can_go_on(body: dict[str, Any]) -> bool:
    is_text = body["format"] != "parquet" and not body["gzip"]
    return is_text and "ids" not in body and "id" in body["columns"]


def cut(part: Path, form: str, columns: Sequence[str]) -> str | None:
    """Cut a file behind the last whole record; that record's id, None where there is none."""
    start = end = place = quotes = 0
    with part.open("r+b") as file:
        for line in file:
            place += len(line)
            quotes += line.count(b'"')
            # A line of CSV that ends within quotes goes on in the next one.
            if line.endswith(b"\n") and (form == "jsonl" or quotes % 2 == 0):
                start, end = end, place
        file.truncate(end)
        file.seek(start)
        record = file.read(end - start).decode()
    if not record or (form == "csv" and start == 0):
        part.write_bytes(b"")  # the line of names alone comes again
        return None
    if form == "jsonl":
        return str(json.loads(record)["id"])
    [row] = csv.reader(record.splitlines(keepends=True))
    return row[list(columns).index("id")]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except (OSError, UnicodeError) as error:
        raise CliError("bad_file", f"{file}: {error}.") from error
