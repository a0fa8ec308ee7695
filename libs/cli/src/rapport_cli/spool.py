"""`rapport spool refused`: accepted events that Kafka will not take."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="Accepted events on their way to Kafka.", no_args_is_help=True)
refused = typer.Typer(help="Events that Kafka refuses, put aside.", no_args_is_help=True)
app.add_typer(refused, name="refused")

RowId = Annotated[int, typer.Argument(help="The event's id in the list.", min=1)]
COLUMNS = ["id", "source", "message_id", "size", "reason", "refused_at"]


@refused.command("list")
def list_events(
    ctx: typer.Context,
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the events that were put aside, the newest first, with Kafka's reason."""
    answer = show.session(ctx).api("ingest").get("/v1/spool/refused", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="Kafka has refused nothing.", as_json=as_json)


@refused.command()
def retry(
    ctx: typer.Context,
    row_id: RowId,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Publish an event again: Kafka's limit was raised, or what was broken is mended."""
    answer = show.session(ctx).api("ingest").post(f"/v1/spool/refused/{row_id}/retry")
    show.made(answer, f"Event {row_id} is tried again.", as_json=as_json)


@refused.command()
def discard(
    ctx: typer.Context,
    row_id: RowId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Give an event up, though its sender was told that it is accepted; the ledger counts it."""
    if not yes:
        typer.confirm(f"Event {row_id} will be lost. Sure?", abort=True)
    answer = show.session(ctx).api("ingest").post(f"/v1/spool/refused/{row_id}/discard")
    show.made(answer, f"Event {row_id} is discarded.", as_json=as_json)
