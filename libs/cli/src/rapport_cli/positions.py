"""`rapport position`: how far a service has read, and the way out when it has stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="How far consumers have read.", no_args_is_help=True)


@app.command("show")
def show_positions(
    ctx: typer.Context, *, service: show.Service, as_json: show.AsJson = False
) -> None:
    """Show the next offset per partition, and why the consumer has stopped if it has."""
    answer = show.session(ctx).api(service).get("/v1/positions")
    if as_json:
        show.data(answer)
        return
    show.rows(answer["positions"], ["topic", "partition", "next_offset"], empty="Nothing read yet.")
    if answer.get("stopped_because"):
        show.line(f"{service} has STOPPED: {answer['stopped_because']}")


@app.command()
def reset(
    ctx: typer.Context,
    *,
    service: show.Service,
    topic: Annotated[str, typer.Option(help="For example events.")],
    partition: Annotated[int, typer.Option(min=0)],
    offset: Annotated[int, typer.Option(min=0, help="The next offset to read.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make a consumer go on at another offset: records in between are skipped or read again."""
    if not yes:
        question = f"{service} will go on at {topic}/{partition} offset {offset}. Sure?"
        typer.confirm(question, abort=True)
    body = {"topic": topic, "partition": partition, "next_offset": offset}
    show.session(ctx).api(service).post("/v1/positions/reset", body)
    show.line(f"{service} goes on at {topic}/{partition} offset {offset}.")


@app.command()
def resume(ctx: typer.Context, *, service: show.Service) -> None:
    """Let a consumer that has stopped loudly try again from where it stands."""
    answer = show.session(ctx).api(service).post("/v1/positions/resume")
    if answer["resumed"]:
        show.line(f"{service} tries again; it had stopped: {answer['stopped_because']}")
    else:
        show.line(f"{service} had not stopped.")
