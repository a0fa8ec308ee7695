"""`rapport outbox refused`: records that Kafka will not take."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="What a service publishes.", no_args_is_help=True)
refused = typer.Typer(help="Rows that Kafka refuses, put aside.", no_args_is_help=True)
app.add_typer(refused, name="refused")

RowId = Annotated[int, typer.Argument(help="The row's id.", min=1)]


@refused.command("list")
def list_rows(
    ctx: typer.Context,
    *,
    service: show.Service,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """List the records that were put aside, the newest first, with Kafka's reason."""
    api = show.session(ctx).api(service, installation=installation)
    answer = api.get("/v1/outbox/refused", limit=limit, cursor=cursor)
    if as_json:
        show.data(answer)
        return
    columns = ["id", "topic", "key", "bytes", "reason", "created_at", "refused_at"]
    show.rows(answer["items"], columns, empty="Kafka has refused nothing.")
    show.more(answer)


@refused.command()
def retry(
    ctx: typer.Context,
    row_id: RowId,
    *,
    service: show.Service,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """Publish a row again, after what waits now."""
    api = show.session(ctx).api(service, installation=installation)
    answer = api.post(f"/v1/outbox/refused/{row_id}/retry")
    show.made(answer, f"Row {row_id} is tried again.", as_json=as_json)


@refused.command()
def discard(
    ctx: typer.Context,
    row_id: RowId,
    *,
    service: show.Service,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """Forget a row: nobody will read it."""
    if not yes:
        typer.confirm(f"Row {row_id} will be lost. Sure?", abort=True)
    api = show.session(ctx).api(service, installation=installation)
    answer = api.post(f"/v1/outbox/refused/{row_id}/discard")
    show.made(answer, f"Row {row_id} is discarded.", as_json=as_json)
