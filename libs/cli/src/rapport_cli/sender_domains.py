"""`rapport sender-domain`: domains that mails come from, and the records to publish for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rapport_cli.client import Api

app = typer.Typer(help="Domains that mails come from: DKIM.", no_args_is_help=True)
PATH = "/v1/sender-domains"
Domain = Annotated[str, typer.Argument(help="The domain: shop.example.com")]
COLUMNS = ["domain", "state", "checked_at", "verified_at", "reason"]
ADVISED = "(not needed)"


@app.command("list")
def list_domains(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the domains, and whether their mails are signed."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="There is no sender domain.", as_json=as_json)


@app.command("show")
def show_domain(ctx: typer.Context, domain: Domain, *, as_json: show.AsJson = False) -> None:
    """Show the records to publish, and what DNS had at the last check."""
    _told(_api(ctx).get(_path(domain)), as_json=as_json)


@app.command()
def add(ctx: typer.Context, domain: Domain, *, as_json: show.AsJson = False) -> None:
    """Add a domain, and show the records to publish."""
    _told(_api(ctx).post(PATH, {"domain": domain}), as_json=as_json)


@app.command()
def check(ctx: typer.Context, domain: Domain, *, as_json: show.AsJson = False) -> None:
    """Look whether the records are there: then its mails are signed."""
    _told(_api(ctx).post(f"{_path(domain)}/check"), as_json=as_json)


@app.command()
def rotate(ctx: typer.Context, domain: Domain, *, as_json: show.AsJson = False) -> None:
    """Make new keys; those of now sign until a check has seen the new ones."""
    _told(_api(ctx).post(f"{_path(domain)}/rotate"), as_json=as_json)


@app.command()
def remove(ctx: typer.Context, domain: Domain, *, as_json: show.AsJson = False) -> None:
    """Remove a domain: its mails go unsigned, and its keys are destroyed."""
    _api(ctx).delete(_path(domain))
    show.made({"domain": domain}, f"{domain} is removed: its mails go unsigned.", as_json=as_json)


def _told(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
        return
    show.line(f"{answer.get('domain')} is {answer.get('state')}.")
    if answer.get("reason"):
        show.line(str(answer["reason"]))
    _records(answer.get("records", ()))


def _records(records: Iterable[Mapping[str, Any]]) -> None:
    for one in records:
        needed = "" if one["required"] or one["key"] == "former" else f" {ADVISED}"
        show.line("")
        show.line(f"{_called(one)}{needed}: {one['state']}")
        show.line(f"  {one['name']} TXT")
        # In the strings that zone files and forms of providers want.
        for part in one["strings"]:
            show.line(f'    "{part}"')
        for text in one["found"]:
            if text != one["value"]:
                show.line(f"  found: {text}")
        if one["advice"]:
            show.line(f"  {one['advice']}")


def _called(one: Mapping[str, Any]) -> str:
    if one["purpose"] != "dkim":
        return str(one["purpose"]).upper()
    until = f", may go at {show.cell(one['until_at'])}" if one["until_at"] else ""
    return f"DKIM, {one['algorithm']}, key {one['key']}{until}"


def _path(domain: str) -> str:
    return f"{PATH}/{quote(domain, safe='')}"


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")
