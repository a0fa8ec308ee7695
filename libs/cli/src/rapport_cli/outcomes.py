"""`rapport outcome` and `rapport hook`: what became of messages, and where vendors report it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show

app = typer.Typer(help="What became of messages after they were sent.", no_args_is_help=True)
hooks = typer.Typer(help="Where vendors report what became of messages.", no_args_is_help=True)
PATH, HOOKS = "/v1/outcomes", "/v1/hooks"
COLUMNS = ["at", "kind", "grade", "code", "address", "source", "text"]
HOOK_COLUMNS = ["id", "vendor", "created_at", "created_by", "last_at"]


@app.command("list")
def list_outcomes(
    ctx: typer.Context,
    *,
    kind: Annotated[
        str | None, typer.Option(help="bounced, complained, delayed, delivered, replied, ...")
    ] = None,
    campaign: Annotated[str | None, typer.Option(help="Of one campaign: its id.")] = None,
    message: Annotated[str | None, typer.Option(help="Of one message: its send key.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List bounces, complaints, answers, opens and clicks, the newest first."""
    answer = (
        show.session(ctx)
        .api("campaign")
        .get(PATH, kind=kind, campaign_id=campaign, send_key=message, limit=limit, cursor=cursor)
    )
    show.page(answer, COLUMNS, empty="Nothing became known.", as_json=as_json)


@hooks.command()
def add(
    ctx: typer.Context,
    vendor: Annotated[
        str, typer.Argument(help="twilio, ses, sendgrid, mailgun, postmark or standard.")
    ],
    *,
    secret: Annotated[str, typer.Option(help="By what its posts are known: see the guide.")] = "",
    topic: Annotated[str, typer.Option(help="ses: the ARN of the SNS topic.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Make an address to which a vendor reports."""
    body = {"vendor": vendor, "secret": secret, "topic": topic}
    answer = show.session(ctx).api("campaign").post(HOOKS, body)
    made = answer.get("secret")
    shown = f"; its secret, shown this once: {made}" if made else ""
    show.made(answer, f"{vendor} may post to {answer.get('url')}{shown}", as_json=as_json)


@hooks.command("list")
def list_hooks(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the addresses, and when a post was last believed."""
    answer = show.session(ctx).api("campaign").get(HOOKS, limit=limit, cursor=cursor)
    show.page(answer, HOOK_COLUMNS, empty="There is no hook.", as_json=as_json)


@hooks.command()
def remove(
    ctx: typer.Context,
    hook: Annotated[str, typer.Argument(help="Its id.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Take an address away: what is posted there is refused."""
    show.session(ctx).api("campaign").delete(f"{HOOKS}/{quote(hook, safe='')}")
    show.made({"id": hook}, "The hook is removed.", as_json=as_json)
