"""`rapport loyalty redemption`: points that are reserved, spent, and given back."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.profiles import Kind, Value, id_of

app = typer.Typer(help="Spend points.", no_args_is_help=True)
Redemption = Annotated[str, typer.Argument(help="The redemption's id.")]
SHOWN = ("id", "state", "points", "lots", "reserved_at", "expires_at", "confirmed_at")


@app.command()
def create(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    points: Annotated[int, typer.Argument(help="How many.")],
    *,
    reason: Annotated[str, typer.Option(help="What for; it is kept.")],
    seconds: Annotated[int, typer.Option(help="So long they are reserved.")] = 600,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Spend them, reserve nothing.")
    ] = False,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Reserve somebody's points until that is confirmed, or spend them at once."""
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{id_of(api, kind, value)}/loyalty/redemptions"
    body = {"points": points, "seconds": None if at_once else seconds, "reason": reason}
    answer = api.post(path, body)
    told = f"{points} points are {answer['state']}: {answer['id']}."
    show.made(answer, told, as_json=as_json, id_only=id_only)


@app.command("show")
def show_redemption(
    ctx: typer.Context, redemption: Redemption, *, as_json: show.AsJson = False
) -> None:
    """Show a redemption as it is."""
    answer = show.session(ctx).api("profile").get(_path(redemption))
    if as_json:
        show.data(answer)
    else:
        show.pairs({name: answer.get(name) for name in SHOWN})


@app.command()
def confirm(ctx: typer.Context, redemption: Redemption, *, as_json: show.AsJson = False) -> None:
    """Spend what was reserved."""
    show.made(_change(ctx, redemption, "confirm"), "Spent.", as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, redemption: Redemption, *, as_json: show.AsJson = False) -> None:
    """Let go of what was reserved."""
    show.made(_change(ctx, redemption, "cancel"), "Free again.", as_json=as_json)


@app.command()
def reverse(ctx: typer.Context, redemption: Redemption, *, as_json: show.AsJson = False) -> None:
    """Give back what was spent."""
    show.made(_change(ctx, redemption, "reverse"), "Given back.", as_json=as_json)


def _change(ctx: typer.Context, redemption: str, what: str) -> dict[str, Any]:
    return show.session(ctx).api("profile").post(f"{_path(redemption)}/{what}")


def _path(redemption: str) -> str:
    return f"/v1/loyalty/redemptions/{quote(redemption, safe='')}"
