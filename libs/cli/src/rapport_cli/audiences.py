"""`rapport audience`: files for advertising platforms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import jobs, show
from rapport_cli.segments import Segment, find
from rapport_cli.whole_files import whole

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Files of hashes for advertising platforms.", no_args_is_help=True)
Audience = Annotated[str, typer.Argument(help="The audience's id.")]


@app.command("list")
def list_audiences(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List audiences by name."""
    answer = _api(ctx).get("/v1/audiences", limit=limit, cursor=cursor)
    columns = ["id", "name", "platform", "purpose", "every_hours"]
    show.page(answer, columns, empty="There is no audience.", as_json=as_json)


@app.command("show")
def show_audience(ctx: typer.Context, audience: Audience, *, as_json: show.AsJson = False) -> None:
    """Show an audience."""
    found = _api(ctx).get(_path(audience))
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    segment: Segment,
    platform: Annotated[str, typer.Argument(help="google, meta or tencent.")],
    *,
    purpose: Annotated[
        str | None, typer.Option(help="To what people have said yes; third_party if not given.")
    ] = None,
    every: Annotated[int | None, typer.Option(help="A file each so many hours.", min=1)] = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Define an audience."""
    api = _api(ctx)
    body: dict[str, Any] = {
        "name": name,
        "segment_id": find(api, segment)["id"],
        "platform": platform,
        "every_hours": every,
    }
    if purpose is not None:
        body["purpose"] = purpose
    answer = api.post("/v1/audiences", body)
    show.made(answer, f"Audience {answer['id']} is made.", as_json=as_json, id_only=id_only)


@app.command()
def build(
    ctx: typer.Context,
    audience: Audience,
    *,
    wait: Annotated[bool, typer.Option(help="Until the file is made.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Have a file made now."""
    api = _api(ctx)
    answer = api.post(f"{_path(audience)}/build")
    if wait and answer["job_id"]:
        jobs.watch(api, answer["job_id"], quiet=as_json)
    show.made(answer, f"Job {answer['job_id']} makes the file.", as_json=as_json)


@app.command()
def files(ctx: typer.Context, audience: Audience, *, as_json: show.AsJson = False) -> None:
    """List the files that are kept, with how many people were left out and why."""
    answer = _api(ctx).get(f"{_path(audience)}/files")
    show.page(answer, ["id", "made_at", "rows", "left_out", "bytes"], as_json=as_json)


@app.command()
def fetch(
    ctx: typer.Context,
    audience: Audience,
    file: Annotated[Path, typer.Argument(help="Where to write the newest file.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Fetch the newest file."""
    with whole(file, as_json=as_json) as part, part.open("wb") as out:
        for piece in _api(ctx).download(f"{_path(audience)}/file"):
            out.write(piece)


@app.command()
def archive(ctx: typer.Context, audience: Audience, *, as_json: show.AsJson = False) -> None:
    """Archive an audience: its files go, none is made any more."""
    _api(ctx).delete(_path(audience))
    show.made({"id": audience}, f"Audience {audience} is archived.", as_json=as_json)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("segment")


def _path(audience: str) -> str:
    return f"/v1/audiences/{quote(audience, safe='')}"
