"""`rapport list`: lists of identifiers that segments ask for, by hand and by file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from rapport_cli import jobs, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Lists of identifiers that segments ask for.", no_args_is_help=True)
List = Annotated[str, typer.Argument(help="The list's id, or its name.")]
Kind = Annotated[str, typer.Argument(help="Such as email, phone, user_id.")]
Values = Annotated[list[str], typer.Argument(help="One or more, 1,000 at most.")]
Name = Annotated[str, typer.Argument(help="A name people know it by.")]


@app.command("list")
def list_lists(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's lists by name."""
    answer = _api(ctx).get("/v1/lists", archived=archived or None, limit=limit, cursor=cursor)
    columns = ["id", "name", "members"]
    show.page(answer, columns, empty="There is no list.", as_json=as_json)


@app.command("show")
def show_list(ctx: typer.Context, which: List, *, as_json: show.AsJson = False) -> None:
    """Show a list, and how many identifiers are on it."""
    found = _find(_api(ctx), which)
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def create(
    ctx: typer.Context, name: Name, *, id_only: show.IdOnly = False, as_json: show.AsJson = False
) -> None:
    """Make a list, with nothing on it."""
    answer = _api(ctx).post("/v1/lists", {"name": name})
    show.made(answer, _said(answer), as_json=as_json, id_only=id_only)


@app.command("set")
def set_list(ctx: typer.Context, which: List, name: Name, *, as_json: show.AsJson = False) -> None:
    """Call a list otherwise."""
    api = _api(ctx)
    answer = api.patch(_path(_find(api, which)["id"]), {"name": name})
    show.made(answer, _said(answer), as_json=as_json)


@app.command()
def archive(ctx: typer.Context, which: List, *, as_json: show.AsJson = False) -> None:
    """Archive a list that no segment asks for; what is on it is taken off."""
    api = _api(ctx)
    path = _path(_find(api, which)["id"])
    api.delete(path)
    answer = api.get(path)
    show.made(answer, f"List {answer['id']} is archived.", as_json=as_json)


@app.command()
def members(
    ctx: typer.Context,
    which: List,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what is on a list."""
    api = _api(ctx)
    answer = api.get(f"{_path(_find(api, which)['id'])}/members", limit=limit, cursor=cursor)
    show.page(answer, ["kind", "value", "added_at"], empty="Nothing.", as_json=as_json)


@app.command()
def add(
    ctx: typer.Context, which: List, kind: Kind, values: Values, *, as_json: show.AsJson = False
) -> None:
    """Put identifiers on a list; those of people who are not known yet count when they come."""
    _move(ctx, which, "add", kind, values, as_json=as_json)


@app.command()
def remove(
    ctx: typer.Context, which: List, kind: Kind, values: Values, *, as_json: show.AsJson = False
) -> None:
    """Take identifiers off a list."""
    _move(ctx, which, "remove", kind, values, as_json=as_json)


@app.command()
def upload(
    ctx: typer.Context,
    which: List,
    file: Annotated[Path, typer.Argument(help="CSV or JSON Lines; .gz is unpacked.")],
    *,
    replace: Annotated[bool, typer.Option(help="Take off the list what the file lacks.")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(help="KIND=NAME of a column that is not called as its kind; repeat it."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of CSV, such as windows-1252.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV; else it is found.")] = None,
    wait: Annotated[bool, typer.Option(help="Until all of it is on the list.")] = True,
    as_json: show.AsJson = False,
) -> None:
    """Put what a file has on a list. Exit code 1 when a row was refused; `refused` shows these."""
    content = _content(file)
    api = _api(ctx)
    found = _find(api, which)
    query = {
        "mode": "replace" if replace else "add",
        "format": "jsonl" if {"jsonl", "ndjson"} & set(file.name.lower().split(".")) else "csv",
        "column": column,
        "encoding": encoding,
        "delimiter": delimiter,
    }
    given = {name: one for name, one in query.items() if one is not None}
    job = api.send(f"{_path(found['id'])}/uploads", content, given)
    if wait:
        jobs.end(jobs.follow(api, job["id"], quiet=as_json), as_json=as_json)
    elif as_json:
        show.data(job)
    else:
        again = f"rapport job show --service segment {job['id']}"
        show.line(f"Upload {job['id']} has begun; `{again}` shows how far it is.")


@app.command()
def refused(
    ctx: typer.Context,
    which: List,
    job: Annotated[str, typer.Argument(help="The upload's job.")],
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the rows of a file that were not taken, and why."""
    api = _api(ctx)
    path = f"{_path(_find(api, which)['id'])}/uploads/{quote(job, safe='')}/refused"
    answer = api.get(path, limit=limit, cursor=cursor)
    show.page(answer, ["line", "code", "reason"], empty="None.", as_json=as_json)


def _move(
    ctx: typer.Context, which: str, word: str, kind: str, values: list[str], *, as_json: bool
) -> None:
    api = _api(ctx)
    body = {"identifiers": [{"kind": kind, "value": value} for value in values]}
    answer = api.post(f"{_path(_find(api, which)['id'])}/members/{word}", body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"{answer['changed']} of {len(values)} changed.")


def _content(file: Path) -> bytes:
    if not file.is_file() or not os.access(file, os.R_OK):
        raise CliError("bad_file", f"{file} is no file that can be read. Give the path of one.")
    return file.read_bytes()


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("segment")


def _path(list_id: str) -> str:
    return f"/v1/lists/{quote(list_id, safe='')}"


def _said(answer: dict[str, Any]) -> str:
    return f"List {answer['id']} '{answer['name']}' has {answer['members']} identifiers."


def _find(api: Api, which: str) -> dict[str, Any]:
    """Return the list with this id or name; raises `not_found`."""
    try:
        return api.get(_path(str(UUID(which))))
    except ValueError:
        pass
    cursor: str | None = None
    while True:
        page = api.get("/v1/lists", limit=1000, cursor=cursor)
        for one in page["items"]:
            if one["name"] == which:
                return dict(one)
        if (cursor := page["next"]) is None:
            message = f"There is no list '{which}'. `rapport list list` shows them."
            raise CliError("not_found", message)
