"""`rapport loyalty`: how members stand, their statement, and who takes part."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rapport_cli import loyalty_programmes, loyalty_redemptions, show
from rapport_cli.profiles import Kind, Value, id_of, part

app = typer.Typer(help="Points and tiers.", no_args_is_help=True)
app.add_typer(loyalty_programmes.app, name="programme")
app.add_typer(loyalty_redemptions.app, name="redemption")
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
ENTRIES = ["booked_at", "kind", "points", "total", "lot", "at"]


@app.command("show")
def show_standing(
    ctx: typer.Context, kind: Kind, value: Value, *, as_json: show.AsJson = False
) -> None:
    """Show somebody's points, tier, what is missing for the next one, and what expires when."""
    api = show.session(ctx).api("profile")
    answer = api.get(f"/v1/profiles/{id_of(api, kind, value)}/loyalty")
    if as_json:
        show.data(answer)
    else:
        names = ("is_member", "points", "tier", "next_tier", "expiring")
        show.pairs({name: answer.get(name) for name in names})


@app.command()
def entries(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what came to somebody's points and went from them, the newest first."""
    part(ctx, kind, value, "loyalty/entries", ENTRIES, limit=limit, cursor=cursor, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def adjust(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    points: Annotated[int, typer.Argument(help="Given, or, below nothing, taken.")],
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Give somebody points, or take them."""
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{id_of(api, kind, value)}/loyalty/adjustments"
    answer = api.post(path, {"points": points, "reason": reason})
    show.made(answer, f"{points:+} points.", as_json=as_json)


@app.command()
def enrol(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let somebody take part from now on."""
    answer = _take_part(ctx, (kind, value), "enrol", reason)
    show.made(answer, "Takes part.", as_json=as_json)


@app.command()
def leave(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let somebody take part no more: the points expire, and nothing is earned."""
    answer = _take_part(ctx, (kind, value), "leave", reason)
    show.made(answer, "Takes part no more.", as_json=as_json)


def _take_part(
    ctx: typer.Context, whose: tuple[str, str], what: str, reason: str
) -> dict[str, Any]:
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{id_of(api, *whose)}/loyalty/{what}"
    return api.post(path, {"reason": reason})
