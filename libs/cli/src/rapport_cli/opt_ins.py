"""`rapport opt-in`: a yes that the owner of an address confirms by a link in a mail."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import profiles, show

app = typer.Typer(help="Ask people to confirm a yes by mail.", no_args_is_help=True)
PATH = "/v1/opt-ins"
COLUMNS = ["id", "address", "purpose", "state", "asked_at", "confirmed_at", "actor"]


@app.command()
def create(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    address: Annotated[str, typer.Argument(help="Where the mail goes.")],
    *,
    reason: Annotated[str, typer.Option(help="Why: signed up in the shop.")],
    purpose: Annotated[str, typer.Option(help="promotion, survey, …")] = "promotion",
    language: Annotated[str, typer.Option(help="en, de, zh_Hans or ar.")] = "en",
    wording_version: Annotated[str | None, typer.Option(help="What they were asked.")] = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Send a person a mail with a link by which they confirm, once, within 7 days."""
    session = show.session(ctx)
    body = {
        "profile_id": profiles.id_of(session.api("profile"), kind, value),
        "address": address,
        "purpose": purpose,
        "language": language,
        "reason": reason,
        **({} if wording_version is None else {"wording_version": wording_version}),
    }
    answer = session.api("campaign").post(PATH, body)
    if id_only:
        show.line(answer["id"])
    elif as_json:
        show.data(answer)
    else:
        show.line(f"A mail is on its way to {answer['address']}: opt-in {answer['id']}.")


@app.command("list")
def list_opt_ins(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the newest requests and what became of them."""
    answer = show.session(ctx).api("campaign").get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("show")
def show_opt_in(
    ctx: typer.Context,
    opt_in: Annotated[str, typer.Argument(help="Its id.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show a request and what became of it."""
    found = show.session(ctx).api("campaign").get(f"{PATH}/{quote(opt_in, safe='')}")
    (show.data if as_json else show.pairs)(found)
