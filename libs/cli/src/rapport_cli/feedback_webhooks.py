"""`rapport feedback-webhook`: who is told by HTTP of answers and cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Webhooks: answers and cases, posted.", no_args_is_help=True)
Webhook = Annotated[str, typer.Argument(help="The webhook's id.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="Only of this, as case.overdue; several times."),
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
    event: Events = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a webhook; its secret is printed this once."""
    api = _api(ctx)
    answer = api.post("/v1/webhooks", {"url": url, **({"events": event} if event else {})})
    _with_secret(answer, as_json=as_json, id_only=id_only)


@app.command("set")
def set_webhook(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    url: Annotated[str | None, typer.Option(help="Where it leads from now on.")] = None,
    event: Events = None,
    active: Annotated[
        bool | None, typer.Option(help="While it is not active it is told of nothing.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Change a webhook."""
    api = _api(ctx)
    asked: dict[str, Any] = {"url": url, "active": active, "events": event or None}
    body = {key: value for key, value in asked.items() if value is not None}
    if not body:
        message = "Say what to change: --url, --event or --no-active."
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
    state: Annotated[str | None, typer.Option(help="waiting, delivered or dead.")] = None,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List posts and what came of them, the newest first."""
    path = f"{_path(webhook)}/deliveries"
    answer = _api(ctx).get(path, state=state, limit=limit, cursor=cursor)
    columns = ["id", "subject_id", "state", "attempts", "tried_at", "status", "error"]
    show.page(answer, columns, as_json=as_json)


@app.command()
def replay(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    delivery: Annotated[str | None, typer.Option(help="One post: its id.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Post again what was given up, or one post."""
    one = f"/deliveries/{quote(delivery, safe='')}" if delivery else ""
    answer = _api(ctx).post(f"{_path(webhook)}{one}/replay")
    if as_json:
        show.data(answer)
    else:
        show.line(f"{answer['replayed']} posts are posted again.")


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("feedback")


def _path(webhook: str) -> str:
    return f"/v1/webhooks/{quote(webhook, safe='')}"


def _with_secret(answer: dict[str, Any], *, as_json: bool, id_only: bool) -> None:
    told = f"Webhook {answer['id']}; its secret, shown this once: {answer.get('secret')}"
    show.made(answer, told, as_json=as_json, id_only=id_only)
