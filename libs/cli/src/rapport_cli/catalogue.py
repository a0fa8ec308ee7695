"""`rapport catalogue`: which events come, and what is in them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show

app = typer.Typer(help="The events that came, their shape and volume.", no_args_is_help=True)


@app.command("list")
def list_events(
    ctx: typer.Context,
    *,
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="A part of the name.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List events, the most frequent first."""
    api = show.session(ctx).api("ingest")
    answer = api.get("/v1/catalogue", source=source, q=query, limit=limit, cursor=cursor)
    columns = ["source", "type", "name", "events", "last_seen_at", "pii"]
    show.page(answer, columns, empty="No event has come yet.", as_json=as_json)


@app.command("show")
def show_event(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The event's name; none for types without.")] = "",
    *,
    source: Annotated[str, typer.Option(help="The source's id.")],
    kind: Annotated[str, typer.Option("--type", help="track, page, …")] = "track",
    as_json: show.AsJson = False,
) -> None:
    """Show one event: its properties, their types, and a recent example."""
    path = f"/v1/catalogue/{quote(source, safe='')}/{quote(kind, safe='')}"
    found = show.session(ctx).api("ingest").get(path, name=name)
    if as_json:
        show.data(found)
        return
    show.pairs({key: value for key, value in found.items() if key not in {"shape", "example"}})
    show.rows(found["shape"], ["path", "seen", "types", "formats", "pii"])
    if found["example"] is not None:
        show.data(found["example"])
