"""`rapport asking`: standing orders to ask people, and what becomes of them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show

PATH = "/v1/askings"
app = typer.Typer(
    help="Who is asked by itself: after an event, or in a segment.", no_args_is_help=True
)
AskingId = Annotated[str, typer.Argument(help="The asking's id.")]
Order = Annotated[str, typer.Argument(help="After what, and how: JSON, @FILE, or - .")]
COLUMNS = ["id", "name", "survey_id", "created_at", "archived_at"]


@app.command("list")
def list_askings(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List standing orders, newest first."""
    api = show.session(ctx).api("feedback")
    answer = api.get(PATH, archived=archived or None, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="Nobody is asked by itself.", as_json=as_json)


@app.command("show")
def show_asking(ctx: typer.Context, asking: AskingId, *, as_json: show.AsJson = False) -> None:
    """Show one, and how many were asked, have answered, or were not asked and why."""
    found = show.session(ctx).api("feedback").get(_path(asking))
    if as_json:
        show.data(found)
        return
    show.pairs({name: value for name, value in found.items() if name != "counts"})
    counts = {"items": found.get("counts", []), "next": None}
    show.page(counts, ["state", "reason", "occasions"], empty="No occasion yet.", as_json=False)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    survey: Annotated[str, typer.Argument(help="The survey's id.")],
    order: Order,
    *,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Ask people from now on, whenever what the order says happens."""
    body = {**documents.read(order, "order"), "name": name, "survey_id": survey}
    made = show.session(ctx).api("feedback").post(PATH, body)
    show.made(made, f"Asking {made['id']} '{name}' is there.", as_json=as_json, id_only=id_only)


@app.command("set")
def set_asking(
    ctx: typer.Context,
    asking: AskingId,
    *,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    order: Annotated[str | None, typer.Option(help="How to ask from now on: JSON, @FILE.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Let one be otherwise, for what is planned as well."""
    body: dict[str, Any] = {} if name is None else {"name": name}
    body |= {} if order is None else {"order": documents.read(order, "order")}
    found = show.session(ctx).api("feedback").patch(_path(asking), body)
    (show.data if as_json else show.pairs)(found)


@app.command()
def archive(ctx: typer.Context, asking: AskingId, *, as_json: show.AsJson = False) -> None:
    """Ask nobody else, and remind nobody; links that are out can be answered."""
    show.session(ctx).api("feedback").delete(_path(asking))
    show.made({"id": asking, "archived": True}, f"Asking {asking} is archived.", as_json=as_json)


@app.command()
def occasions(
    ctx: typer.Context,
    asking: AskingId,
    *,
    state: Annotated[
        str | None, typer.Option(help="planned, asked, reminded, answered or not_asked.")
    ] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List each person and occasion: what has become of it, and why."""
    api = show.session(ctx).api("feedback")
    path = f"{_path(asking)}/occasions"
    answer = api.get(path, state=state, limit=limit, cursor=cursor)
    columns = ["profile_id", "state", "reason", "opens_at", "due_at", "asked_at", "answered_at"]
    show.page(answer, columns, empty="There is none.", as_json=as_json)


def _path(asking: str) -> str:
    return f"{PATH}/{quote(asking, safe='')}"
