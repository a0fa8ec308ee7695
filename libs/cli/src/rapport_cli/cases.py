"""`rapport case`: complaints and their clocks."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="Complaint cases.", no_args_is_help=True)


@app.command("list")
def list_cases(
    ctx: typer.Context,
    *,
    state: Annotated[str | None, typer.Option(help="Only in this state, e.g. received.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """List cases with their state and due time."""
    answer = show.session(ctx).api("feedback").get("/v1/cases", state=state)
    if as_json:
        show.data(answer)
        return
    columns = ["number", "case_id", "state", "subject", "opened_at", "due_at", "overdue"]
    show.rows(answer["cases"], columns, empty="There is no such case.")
