"""`rapport webhook`: who is told of entries and exits by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError
from rapport_cli.segments import find

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Webhooks: entries and exits, posted.", no_args_is_help=True)
Webhook = Annotated[str, typer.Argument(help="The webhook's id.")]
Segments = Annotated[
    list[str] | None,
    typer.Option("--segment", help="Only of this segment (id or name); several times."),
]
COLUMNS = ["id", "url", "active", "failures", "waiting", "dead"]


@app.command("list")
def list_webhooks(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List webhooks, with what waits and what was given up."""
    answer = _api(ctx).get("/v1/webhooks", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="There is no webhook.", as_json=as_json)


@app.command("show")
def show_webhook(ctx: typer.Context, webhook: Webhook, *, as_json: show.AsJson = False) -> None:
    """Show a webhook, and how it is with its receiver."""
    found = _api(ctx).get(_path(webhook))
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def create(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to post: https://…")],
    *,
    segment: Segments = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a webhook; its secret is printed this once."""
    api = _api(ctx)
    body: dict[str, Any] = {"url": url}
    if segment:
        body["segment_ids"] = [find(api, one)["id"] for one in segment]
    answer = api.post("/v1/webhooks", body)
    _with_secret(answer, as_json=as_json, id_only=id_only)


@app.command("set")
def set_webhook(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    url: Annotated[str | None, typer.Option(help="Where it leads from now on.")] = None,
    segment: Segments = None,
    every: Annotated[bool, typer.Option("--all-segments", help="Of all segments.")] = False,
    active: Annotated[
        bool | None, typer.Option(help="While it is not active it is told of nothing.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Change a webhook."""
    api = _api(ctx)
    body: dict[str, Any] = {"url": url, "active": active}
    body = {key: value for key, value in body.items() if value is not None}
    if segment or every:
        body["segment_ids"] = None if every else [find(api, one)["id"] for one in segment or ()]
    if not body:
        message = "Say what to change: --url, --segment, --all-segments or --no-active."
        raise CliError("nothing_to_change", message)
    answer = api.patch(_path(webhook), body)
    show.made(answer, f"Webhook {answer['id']} is changed.", as_json=as_json)


@app.command()
def rotate(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    hours: Annotated[float, typer.Option(help="So long both secrets sign.", min=0, max=168)] = 24,
    as_json: show.AsJson = False,
) -> None:
    """Give a webhook a new secret, printed this once."""
    answer = _api(ctx).post(f"{_path(webhook)}/rotate", {"overlap_hours": hours})
    _with_secret(answer, as_json=as_json, id_only=False)


@app.command()
def archive(ctx: typer.Context, webhook: Webhook, *, as_json: show.AsJson = False) -> None:
    """Archive a webhook: what waits for it is dropped."""
    _api(ctx).delete(_path(webhook))
    show.made({"id": webhook}, f"Webhook {webhook} is archived.", as_json=as_json)


@app.command()
def deliveries(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    waiting: Annotated[bool, typer.Option("--waiting", help="Those that wait instead.")] = False,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List posts that were given up."""
    state = "waiting" if waiting else "dead"
    path = f"{_path(webhook)}/deliveries"
    answer = _api(ctx).get(path, state=state, limit=limit, cursor=cursor)
    columns = ["id", "profile_id", "created_at", "attempts", "status", "error"]
    show.page(answer, columns, as_json=as_json)


@app.command()
def replay(ctx: typer.Context, webhook: Webhook, *, as_json: show.AsJson = False) -> None:
    """Try again what was given up."""
    answer = _api(ctx).post(f"{_path(webhook)}/replay")
    if as_json:
        show.data(answer)
    else:
        show.line(f"{answer['replayed']} posts are tried again.")


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("segment")


def _path(webhook: str) -> str:
    return f"/v1/webhooks/{quote(webhook, safe='')}"


def _with_secret(answer: dict[str, Any], *, as_json: bool, id_only: bool) -> None:
    told = f"Webhook {answer['id']}; its secret, shown this once: {answer.get('secret')}"
    show.made(answer, told, as_json=as_json, id_only=id_only)
