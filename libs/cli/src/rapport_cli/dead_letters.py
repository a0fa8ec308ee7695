"""`rapport dead-letter`: records a service could not apply, and trying them again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rapport_cli import documents, show

app = typer.Typer(help="Records that could not be applied.", no_args_is_help=True)


@app.command("list")
def list_letters(
    ctx: typer.Context,
    *,
    service: show.Service,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """List the newest dead letters with their reasons."""
    api = show.session(ctx).api(service, installation=installation)
    answer = api.get("/v1/dead-letters", limit=limit, cursor=cursor)
    if as_json:
        show.data(answer)
        return
    columns = ["id", "topic", "partition", "offset", "reason", "created_at", "replayed_at"]
    show.rows(answer["items"], columns, empty="There are no dead letters.")
    show.more(answer)


@app.command()
def replay(
    ctx: typer.Context,
    letter_id: Annotated[int, typer.Argument(help="The dead letter's id.")],
    *,
    service: show.Service,
    value: Annotated[str | None, typer.Option(help="A fixed record: JSON, @FILE or -.")] = None,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """Apply a dead letter again, as it is or fixed."""
    body: dict[str, Any] = {} if value is None else {"value": documents.read(value, "record")}
    path = f"/v1/dead-letters/{letter_id}/replay"
    answer = show.session(ctx).api(service, installation=installation).post(path, body)
    told = f"Dead letter {answer['id']} was applied at {answer['replayed_at']}."
    show.made(answer, told, as_json=as_json)
