"""`rapport parked`: keys that keep failing, with what waits behind them."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="Keys that keep failing, and wait in order.", no_args_is_help=True)

KeyId = Annotated[int, typer.Argument(help="The parked key's id.", min=1)]


@app.command("list")
def list_keys(
    ctx: typer.Context,
    *,
    service: show.Service,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """List the keys that wait, the newest first, with the reason and the time of the next try."""
    api = show.session(ctx).api(service, installation=installation)
    answer = api.get("/v1/parked", limit=limit, cursor=cursor)
    if as_json:
        show.data(answer)
        return
    columns = ["id", "topic", "partition", "key", "records", "attempts", "next_try_at", "reason"]
    show.rows(answer["items"], columns, empty="Nothing is parked.")
    show.more(answer)


@app.command()
def records(
    ctx: typer.Context,
    key_id: KeyId,
    *,
    service: show.Service,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """Print what waits behind a key, in its order."""
    api = show.session(ctx).api(service, installation=installation)
    answer = api.get(f"/v1/parked/{key_id}/records", limit=limit, cursor=cursor)
    if as_json:
        show.data(answer)
        return
    for one in answer["items"]:
        show.data(one)
    show.more(answer)


@app.command()
def release(
    ctx: typer.Context,
    key_id: KeyId,
    *,
    service: show.Service,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """Apply what waits now, in order; what a try can't do in a few seconds goes on by itself."""
    api = show.session(ctx).api(service, installation=installation)
    answer = api.post(f"/v1/parked/{key_id}/release")
    if as_json:
        show.data(answer)
        raise typer.Exit(1 if answer["error"] else 0)
    done = f"{answer['applied']} applied, {answer['dead_lettered']} to the dead letters"
    show.line(f"{done}, {answer['left']} left.")
    if answer["error"]:
        show.line(f"It still fails: {answer['error']}")
        raise typer.Exit(1)


@app.command()
def discard(
    ctx: typer.Context,
    key_id: KeyId,
    *,
    service: show.Service,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """Forget a key and what waits behind it; the ledger counts it as skipped by an operator."""
    if not yes:
        typer.confirm(f"The records behind parked key {key_id} will be lost. Sure?", abort=True)
    api = show.session(ctx).api(service, installation=installation)
    answer = api.post(f"/v1/parked/{key_id}/discard")
    show.made(answer, f"{answer['discarded']} records discarded.", as_json=as_json)
