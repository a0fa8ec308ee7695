"""`rapport position`: how far a service has read, and the way out when it has stopped.

Positions are the installation's: RAPPORT_TOKEN, if it is set, has to have the claim
(`rapport token --installation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="How far consumers have read.", no_args_is_help=True)


def _api(ctx: typer.Context, service: str) -> Api:
    return show.session(ctx).api(service, installation=True)


@app.command("list")
def list_positions(
    ctx: typer.Context, *, service: show.Service, as_json: show.AsJson = False
) -> None:
    """List the next offset per partition, and which replicas have stopped and why."""
    answer = _api(ctx, service).get("/v1/positions", limit=1000)
    if as_json:
        show.data(answer)
        return
    show.rows(answer["items"], ["topic", "partition", "next_offset"], empty="Nothing read yet.")
    for one in answer["stopped"]:
        show.line(_stop(service, one))


@app.command()
def reset(
    ctx: typer.Context,
    *,
    service: show.Service,
    topic: Annotated[str, typer.Option(help="For example events.")],
    partition: Annotated[int, typer.Option(min=0)],
    offset: Annotated[int, typer.Option(min=0, help="The next offset to read.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a consumer go on at another offset: records in between are skipped or read again."""
    if not yes:
        question = f"{service} will go on at {topic}/{partition} offset {offset}. Sure?"
        typer.confirm(question, abort=True)
    body = {"topic": topic, "partition": partition, "next_offset": offset}
    answer = _api(ctx, service).post("/v1/positions/reset", body)
    told = f"{service} goes on at {topic}/{partition} offset {offset}."
    show.made(answer, told, as_json=as_json)


@app.command()
def resume(ctx: typer.Context, *, service: show.Service, as_json: show.AsJson = False) -> None:
    """Let all replicas that have stopped loudly try again from where they stand."""
    answer = _api(ctx, service).post("/v1/positions/resume")
    if as_json:
        show.data(answer)
        return
    for one in answer["stopped"]:
        show.line(f"It tries again: {_stop(service, one)}")
    if not answer["stopped"]:
        show.line(f"{service} had not stopped.")


def _stop(service: str, one: dict[str, Any]) -> str:
    return f"{service} {one['replica']} STOPPED at {one['stopped_at']}: {one['reason']}"
