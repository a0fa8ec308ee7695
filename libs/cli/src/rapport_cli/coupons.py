"""`rapport coupon-pool`: codes that mails give, each to one message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import jobs, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Codes that mails give, each to one message.", no_args_is_help=True)
PATH = "/v1/coupon-pools"
Name = Annotated[str, typer.Argument(help="The pool's name, such as summer.")]
LowBelow = Annotated[int, typer.Option(min=0, help="With so many left it counts as low.")]


@app.command("list")
def list_pools(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's pools, by their names."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    columns = ["name", "low_below", "low_at", "created_at"]
    show.page(answer, columns, empty="There is no coupon pool.", as_json=as_json)


@app.command("show")
def show_pool(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Show how many codes are free, given, and past their time."""
    _told(_api(ctx).get(_path(name)), as_json=as_json)


@app.command()
def create(
    ctx: typer.Context, name: Name, *, low_below: LowBelow = 100, as_json: show.AsJson = False
) -> None:
    """Make a pool, with nothing in it."""
    _told(_api(ctx).post(PATH, {"name": name, "low_below": low_below}), as_json=as_json)


@app.command("set")
def set_pool(
    ctx: typer.Context, name: Name, *, low_below: LowBelow, as_json: show.AsJson = False
) -> None:
    """Let it count as low at another number."""
    _told(_api(ctx).patch(_path(name), {"low_below": low_below}), as_json=as_json)


@app.command("import")
def import_codes(
    ctx: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV (code, expires_at) or JSON Lines; 2 MiB.")],
    *,
    wait: Annotated[bool, typer.Option(help="Until all of it is in the pool.")] = True,
    as_json: show.AsJson = False,
) -> None:
    """Put the codes of a file into a pool. Exit code 1 when a line was refused."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CliError("bad_file", f"{file} can't be read: {error}.") from error
    form = "jsonl" if file.suffix.lower() in {".jsonl", ".ndjson", ".json"} else "csv"
    api = _api(ctx)
    job = api.send(f"{_path(name)}/imports", content, {"format": form})
    if wait:
        jobs.end(jobs.follow(api, job["id"], quiet=as_json), as_json=as_json)
    elif as_json:
        show.data(job)
    else:
        show.line(f"`rapport job show --service campaign {job['id']}` shows how far it is.")


@app.command()
def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Archive a pool: nothing more is given of it."""
    _api(ctx).delete(_path(name))
    answer = {"name": name, "archived": True}
    show.made(answer, f"Coupon pool {name} is archived.", as_json=as_json)


def _told(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"
