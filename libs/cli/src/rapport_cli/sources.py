"""`rapport source`: where events come from, and their write keys."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="Sources of events and their write keys.", no_args_is_help=True)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Create a source and print its write key, which is shown only this once."""
    created = show.session(ctx).api("ingest").post("/v1/sources", {"name": name})
    if as_json:
        show.data(created)
        return
    show.pairs(created)
    show.line("Keep the write key now: it is not shown again.")


@app.command("list")
def list_sources(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """List the workspace's sources."""
    answer = show.session(ctx).api("ingest").get("/v1/sources")
    if as_json:
        show.data(answer)
        return
    show.rows(answer["sources"], ["source", "name", "created_at"], empty="There is no source yet.")
