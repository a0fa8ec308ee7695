"""`rapport feed` and `feed-hosts`: JSON of others that mails show, and who of them may be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="JSON of others that mails show.", no_args_is_help=True)
hosts = typer.Typer(help="Who may be asked by data feeds.", no_args_is_help=True)
PATH, HOSTS = "/v1/feeds", "/v1/feed-hosts"
Name = Annotated[str, typer.Argument(help="The feed's name, such as weather.")]


@app.command("list")
def list_feeds(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's data feeds, by their names."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    columns = ["name", "kind", "address", "allowed", "version"]
    show.page(answer, columns, empty="There is no data feed.", as_json=as_json)


@app.command("show")
def show_feed(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Show how a feed is asked; secret headers by their names alone."""
    _told(_api(ctx).get(_path(name)), as_json=as_json)


@app.command("set")
def set_feed(
    ctx: typer.Context,
    name: Name,
    body: Annotated[str, typer.Argument(help="JSON, @FILE, or -: address, kind, …")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Declare a data feed, or change it."""
    _told(_api(ctx).put(_path(name), documents.read(body, "feed")), as_json=as_json)


@app.command("try")
def try_feed(
    ctx: typer.Context,
    name: Name,
    *,
    profile: Annotated[str | None, typer.Option(help="The id of whom it is asked for.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Ask a feed now. Exit code 1 when there is no answer."""
    body = {"profile_id": profile} if profile else {}
    answer = _api(ctx).post(f"{_path(name)}/try", body)
    _told(answer, as_json=as_json)
    if not answer.get("answered", True):
        raise typer.Exit(1)


@app.command()
def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Take a feed away that no campaign shows."""
    _api(ctx).delete(_path(name))
    answer = {"name": name, "archived": True}
    show.made(answer, f"Data feed {name} is gone.", as_json=as_json)


@hosts.command("show")
def show_hosts(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show who may be asked, and who has said so."""
    _hosts_told(_api(ctx).get(HOSTS), as_json=as_json)


@hosts.command("set")
def set_hosts(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="All of them; none: nobody.")] = None,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Let these hosts be asked, and no others."""
    _hosts_told(_api(ctx).put(HOSTS, {"hosts": names or []}), as_json=as_json)


def _hosts_told(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.rows(answer.get("hosts", []), ["host", "actor", "at"])


def _told(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"
