"""`rapport suppression`: addresses that a workspace writes to no more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import show
from rapport_cli.errors import CliError
from rapport_cli.whole_files import format_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(help="Addresses that nothing is sent to.", no_args_is_help=True)
PATH = "/v1/suppressions"
PIECE_BYTES = 1024 * 1024
PIECE_LINES = 10_000
"""Of a file that are sent at a time: the API takes twice as much."""

COLUMNS = ["address", "channel", "purpose", "reason", "actor", "at"]
Addresses = Annotated[list[str], typer.Argument(help="One or more, 500 at most.")]
Channel = Annotated[str, typer.Option(help="email, sms, …; all: whatever leads there.")]


@app.command("list")
def list_suppressions(
    ctx: typer.Context,
    *,
    address: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    ended: Annotated[bool, typer.Option(help="Those that were taken off instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what is on the list, why, and by whom."""
    api = show.session(ctx).api("campaign")
    answer = api.get(PATH, address=address, ended=ended or None, limit=limit, cursor=cursor)
    columns = [*COLUMNS, "ended_at", "ended_by", "ended_because"] if ended else COLUMNS
    show.page(answer, columns, empty="There is none.", as_json=as_json)


@app.command()
def add(
    ctx: typer.Context,
    addresses: Addresses,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with each.")],
    channel: Channel = "email",
    purpose: Annotated[str, typer.Option(help="all, or promotion.")] = "all",
    as_json: show.AsJson = False,
) -> None:
    """Write to addresses no more, also what is planned."""
    body = {**_body(addresses, channel, reason), "purpose": purpose}
    _told(ctx, "add", body, as_json=as_json)


@app.command()
def remove(
    ctx: typer.Context,
    addresses: Addresses,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with each.")],
    channel: Channel = "email",
    as_json: show.AsJson = False,
) -> None:
    """Take addresses off the list; what their owners have said still holds."""
    _told(ctx, "remove", _body(addresses, channel, reason), as_json=as_json)


@app.command("import")
def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON Lines (.jsonl).")],
    *,
    reason: Annotated[str, typer.Option(help="Of rows that have none of their own.")],
    as_json: show.AsJson = False,
) -> None:
    """Put what a file has on the list. Exit code 1 when a row was refused."""
    if not file.is_file() or not os.access(file, os.R_OK):
        raise CliError("bad_file", f"{file} is no file that can be read. Give the path of one.")
    is_lines = {"jsonl", "ndjson"} & set(file.name.lower().split("."))
    query = {"reason": reason, "format": "jsonl" if is_lines else "csv"}
    api = show.session(ctx).api("campaign")
    total: dict[str, Any] = {"rows": 0, "taken": 0, "refused": 0, "refused_rows": []}
    for piece in pieces(file.read_bytes(), headed=not is_lines):
        answer = api.send(f"{PATH}/import", piece, query)
        refused = [{**one, "row": one["row"] + total["rows"]} for one in answer["refused_rows"]]
        total["refused_rows"] += refused
        for name in ("rows", "taken", "refused"):
            total[name] += answer[name]
    if as_json:
        show.data(total)
    else:
        show.line(f"{total['taken']} of {total['rows']} are new on the list.")
        show.rows(total["refused_rows"], ["row", "code", "reason"])
    if total["refused"]:
        raise typer.Exit(1)


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write: .csv, .jsonl or .parquet.")],
    *,
    gzip: Annotated[bool, typer.Option("--gzip", help="Pack the file.")] = False,
    keep_formulas: Annotated[
        bool, typer.Option("--keep-formulas", help="CSV for programs, not for spreadsheets.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write the list to a file."""
    body: dict[str, Any] = {"format": format_of(file), "gzip": gzip}
    if keep_formulas:
        body["formulas"] = "keep"
    api = show.session(ctx).api("campaign")
    with whole(file, as_json=as_json) as part, part.open("wb") as out:
        for piece in api.download(f"{PATH}/export", body):
            out.write(piece)


def pieces(
    content: bytes, *, headed: bool, size: int = PIECE_BYTES, most: int = PIECE_LINES
) -> Iterator[bytes]:
    """Yield a file in pieces of whole lines, each with its header: at most so many bytes and lines.

    A cell with a line end in it may be cut: its two rows are refused, and told. Few lists have any.
    """
    lines = content.splitlines(keepends=True)
    header, lines = (lines[:1], lines[1:]) if headed else ([], lines)
    piece: list[bytes] = []
    held = 0
    for line in lines:
        if piece and (held + len(line) > size or len(piece) == most):
            yield b"".join(header + piece)
            piece, held = [], 0
        piece.append(line)
        held += len(line)
    yield b"".join(header + piece)


def _body(addresses: list[str], channel: str, reason: str) -> dict[str, Any]:
    listed = [{"address": one, "channel": channel} for one in addresses]
    return {"addresses": listed, "reason": reason}


def _told(ctx: typer.Context, word: str, body: dict[str, Any], *, as_json: bool) -> None:
    answer = show.session(ctx).api("campaign").post(f"{PATH}/{word}", body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"{answer['changed']} of {len(body['addresses'])} changed.")
