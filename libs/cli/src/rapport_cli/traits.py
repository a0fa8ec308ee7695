"""`rapport trait`: which traits there are."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="Which traits there are, and what they are.", no_args_is_help=True)
COLUMNS = ["name", "declared", "computed", "people", "types", "sources", "last_seen_at", "examples"]


@app.command("list")
def list_traits(
    ctx: typer.Context,
    *,
    name: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List traits: declared, computed, and as people had them when quality was measured last."""
    api = show.session(ctx).api("profile")
    answer = api.get("/v1/traits", limit=limit, cursor=cursor, name=name)
    if not as_json:
        for one in answer["items"]:
            one["sources"] = {each["source"]: each["people"] for each in one["sources"]}
            one["examples"] = ", ".join(str(each) for each in one["examples"])
    show.page(answer, COLUMNS, as_json=as_json)
