"""`rapport suppression`: addresses that a workspace writes to no more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import jobs, show
from rapport_cli.errors import CliError
from rapport_cli.whole_files import format_of, whole

app = typer.Typer(help="Addresses that nothing is sent to.", no_args_is_help=True)
PATH = "/v1/suppressions"
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
    file: Annotated[
        Path, typer.Argument(help="CSV with a header, JSON Lines, or .txt; .gz is unpacked.")
    ],
    *,
    reason: Annotated[str, typer.Option(help="Of rows that have none of their own.")],
    purpose: Annotated[str, typer.Option(help="Of rows that have none: all, promotion.")] = "all",
    encoding: Annotated[str | None, typer.Option(help="Of CSV, such as windows-1252.")] = None,
    wait: Annotated[bool, typer.Option(help="Until all of it is on the list.")] = True,
    as_json: show.AsJson = False,
) -> None:
    """Put what a file has on the list. Exit code 1 when a row was refused: see `refused`."""
    if not file.is_file() or not os.access(file, os.R_OK):
        raise CliError("bad_file", f"{file} is no file that can be read. Give the path of one.")
    endings = set(file.name.lower().split(".")[1:])
    form = "jsonl" if {"jsonl", "ndjson"} & endings else "lines" if "txt" in endings else "csv"
    query = {"reason": reason, "purpose": purpose, "format": form, "encoding": encoding}
    given = {name: one for name, one in query.items() if one is not None}
    api = show.session(ctx).api("campaign")
    job = api.send(f"{PATH}/imports", file.read_bytes(), given)
    if wait:
        jobs.end(jobs.follow(api, job["id"], quiet=as_json), as_json=as_json)
    elif as_json:
        show.data(job)
    else:
        again = f"rapport job show --service campaign {job['id']}"
        show.line(f"Import {job['id']} has begun; `{again}` shows how far it is.")


@app.command()
def refused(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="The import's id.")],
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the rows of a file that were not taken, by their lines."""
    path = f"{PATH}/imports/{quote(job, safe='')}/refused"
    answer = show.session(ctx).api("campaign").get(path, limit=limit, cursor=cursor)
    show.page(answer, ["line", "code", "reason"], empty="All were taken.", as_json=as_json)


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


def _body(addresses: list[str], channel: str, reason: str) -> dict[str, Any]:
    listed = [{"address": one, "channel": channel} for one in addresses]
    return {"addresses": listed, "reason": reason}


def _told(ctx: typer.Context, word: str, body: dict[str, Any], *, as_json: bool) -> None:
    answer = show.session(ctx).api("campaign").post(f"{PATH}/{word}", body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"{answer['changed']} of {len(body['addresses'])} changed.")
