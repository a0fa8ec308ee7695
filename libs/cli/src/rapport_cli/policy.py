"""`rapport policy`: what the workspace allows its campaigns."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

app = typer.Typer(help="What the workspace allows its campaigns.", no_args_is_help=True)
Unasked = Annotated[
    bool | None, typer.Option(help="Promotions to people who have said neither yes nor no.")
]
Unconfirmed = Annotated[
    str | None, typer.Option(help="allow or refuse what only a public source tells of consent.")
]
SoftBounces = Annotated[
    int | None, typer.Option(help="After so many messages an address counts as dead; 0: never.")
]
Language = Annotated[
    str | None, typer.Option(help="Of mails to people who have told none: de, zh-Hant.")
]
Approval = Annotated[
    int | None,
    typer.Option(help="Broadcasts to more people a second person approves; -1: none."),
]
SoftDays = Annotated[int | None, typer.Option(help="Within so many days.")]


@app.command("show")
def show_policy(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show what goes for every message that is not sent yet."""
    found = show.session(ctx).api("campaign").get("/v1/policy")
    (show.data if as_json else show.pairs)(found)


@app.command("set")
def set_policy(
    ctx: typer.Context,
    *,
    promotion_without_consent: Unasked = None,
    unconfirmed_consent: Unconfirmed = None,
    soft_bounces: SoftBounces = None,
    soft_bounce_days: SoftDays = None,
    language: Language = None,
    broadcast_approval_above: Approval = None,
    as_json: show.AsJson = False,
) -> None:
    """Change what is given, and keep the rest."""
    given: dict[str, object] = {
        "promotion_without_consent": promotion_without_consent,
        "unconfirmed_consent": unconfirmed_consent,
        "soft_bounces": soft_bounces,
        "soft_bounce_days": soft_bounce_days,
        "language": language,
    }
    wanted = {key: value for key, value in given.items() if value is not None}
    if broadcast_approval_above is not None:
        above = broadcast_approval_above
        wanted |= {"broadcast_approval_above": above if above >= 0 else None}
    if not wanted:
        message = "Say what to change, for example --unconfirmed-consent; --help shows all."
        raise CliError("nothing_to_change", message)
    answer = show.session(ctx).api("campaign").patch("/v1/policy", wanted)
    (show.data if as_json else show.pairs)(answer)
