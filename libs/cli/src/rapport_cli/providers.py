"""`rapport provider`: accounts with the providers of channels; `rapport sms`: texts, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapport_cli.client import Api

app = typer.Typer(help="Providers: SMS, push, WeChat, WhatsApp, webhooks.", no_args_is_help=True)
sms = typer.Typer(help="Text messages.", no_args_is_help=True)
PATH = "/v1/provider-accounts"
Account = Annotated[str, typer.Argument(help="The account's id.")]
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]
COLUMNS = ["id", "name", "channel", "vendor", "state", "priority", "per_second", "version"]


@app.command("list")
def list_accounts(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the accounts of the workspace."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="There is no provider account.", as_json=as_json)


@app.command("show")
def show_account(ctx: typer.Context, account: Account, *, as_json: show.AsJson = False) -> None:
    """Show an account, and how it stands with its provider."""
    _told(_api(ctx).get(_path(account)), as_json=as_json)


@app.command()
def vendors(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the vendors, and what an account with each needs."""
    answer = _api(ctx).get("/v1/vendors", limit=limit, cursor=cursor)
    if as_json:
        show.data(answer)
        return
    for vendor in answer.get("items", ()):
        show.line(f"{vendor['name']} ({vendor['channel']}): {vendor['documentation_url']}")
        for kind in ("settings", "secrets"):
            for field in vendor[kind]:
                needed = "" if field["required"] else " (not needed)"
                show.line(f"  {kind}.{field['name']}{needed}: {field['help']}")


@app.command()
def create(
    ctx: typer.Context,
    document: Document,
    *,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Add an account; with @FILE or - its secrets stay out of the shell's history."""
    body = documents.read(document, "account")
    answer = _api(ctx).post(PATH, body)
    text = f"Provider account {answer.get('name')} is added: {answer.get('id')}."
    show.made(answer, text, as_json=as_json, id_only=id_only)


@app.command("set")
def set_account(
    ctx: typer.Context, account: Account, document: Document, *, as_json: show.AsJson = False
) -> None:
    """Change what the JSON object names; its version is looked up where it has none."""
    api = _api(ctx)
    body = documents.read(document, "change")
    if "version" not in body:
        body["version"] = api.get(_path(account)).get("version")
    _told(api.patch(_path(account), body), as_json=as_json)


@app.command()
def check(ctx: typer.Context, account: Account, *, as_json: show.AsJson = False) -> None:
    """Ask the provider whether it takes the account's credentials."""
    _told(_api(ctx).post(f"{_path(account)}/check"), as_json=as_json)


@app.command("test")
def send_test(
    ctx: typer.Context,
    account: Account,
    to: Annotated[str, typer.Argument(help="A number, a device's token, an id.")],
    content: Annotated[str, typer.Argument(help='What it says: {"text": "Hello"}')],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Send one message, to yourself."""
    body = {"to": to, "content": documents.read(content, "content")}
    answer = _api(ctx).post(f"{_path(account)}/test", body)
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)


@app.command()
def remove(ctx: typer.Context, account: Account, *, as_json: show.AsJson = False) -> None:
    """Remove an account: its secrets are destroyed."""
    _api(ctx).delete(_path(account))
    show.made({"id": account}, f"Provider account {account} is removed.", as_json=as_json)


@sms.command()
def preview(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The text.")],
    *,
    account: Annotated[str | None, typer.Option(help="Whose prices count.")] = None,
    to: Annotated[str | None, typer.Option(help="A number: +4915112345678")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show into how many segments a text is cut, why, and what it costs."""
    body = {"text": text, "account_id": account, "to": to}
    given = {name: value for name, value in body.items() if value is not None}
    answer = _api(ctx).post("/v1/sms/preview", given)
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)


def _told(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
        return
    standing, checked = answer.get("standing") or {}, answer.get("check") or {}
    flat = {name: one for name, one in answer.items() if name not in {"standing", "check"}}
    flat |= {f"standing {name}": one for name, one in standing.items()}
    show.pairs(flat | {f"check {name}": one for name, one in checked.items()})


def _path(account: str) -> str:
    return f"{PATH}/{quote(account, safe='')}"


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")
