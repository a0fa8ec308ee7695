"""`rapport inbox`: what apps show to their users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Inboxes: what apps show to their users.", no_args_is_help=True)
PATH = "/v1/inbox-items"
Profile = Annotated[str, typer.Argument(help="The profile's id.")]
COLUMNS = ["id", "title", "created_at", "expires_at", "read_at"]


@app.command("list")
def list_items(
    ctx: typer.Context,
    profile: Profile,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what somebody's inbox shows now."""
    answer = _api(ctx).get(PATH, profile_id=profile, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="The inbox is empty.", as_json=as_json)


@app.command()
def put(
    ctx: typer.Context,
    profile: Profile,
    title: Annotated[str, typer.Argument(help="The first line.")],
    *,
    body: Annotated[str, typer.Option(help="What follows.")] = "",
    url: Annotated[str, typer.Option(help="Where a tap leads.")] = "",
    until: Annotated[str | None, typer.Option(help="RFC 3339; then nobody sees it.")] = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Put an item into somebody's inbox."""
    item: dict[str, Any] = {"profile_id": profile, "title": title, "body": body, "url": url}
    if until is not None:
        item["expires_at"] = until
    answer = _api(ctx).post(PATH, item)
    text = f"It is in the inbox: {answer.get('id')}."
    show.made(answer, text, as_json=as_json, id_only=id_only)


@app.command()
def remove(
    ctx: typer.Context,
    item: Annotated[str, typer.Argument(help="The item's id.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Take an item out of an inbox."""
    _api(ctx).delete(f"{PATH}/{quote(item, safe='')}")
    show.made({"id": item}, f"Item {item} is removed.", as_json=as_json)


@app.command()
def token(
    ctx: typer.Context,
    profile: Profile,
    *,
    hours: Annotated[int, typer.Option(help="How long it opens.", min=1, max=720)] = 24,
    as_json: show.AsJson = False,
) -> None:
    """Make a token for the app of somebody; their inbox is at its address."""
    answer = _api(ctx).post("/v1/inbox-tokens", {"profile_id": profile, "hours": hours})
    if as_json:
        show.data(answer)
    else:
        show.line(str(answer.get("url")))


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")
