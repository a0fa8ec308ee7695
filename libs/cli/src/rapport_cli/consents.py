"""`rapport consent`: what a person has allowed, for each address and purpose."""

from __future__ import annotations

import typer

from rapport_cli import profiles, show

app = typer.Typer(help="What people have allowed.", no_args_is_help=True)
COLUMNS = ["contact_point", "channel", "purpose", "state", "confirmed", "at", "source"]


@app.command("list")
def list_consents(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List a person's consents; they change by the event `Consent Updated`, never by hand."""
    api = show.session(ctx).api("profile")
    person = profiles.id_of(api, kind, value)
    answer = api.get(f"/v1/profiles/{person}/consents", limit=limit, cursor=cursor)
    if not as_json:
        # The API leaves out what is so by default.
        answer["items"] = [{"confirmed": True, **one} for one in answer["items"]]
    show.page(answer, COLUMNS, as_json=as_json)
