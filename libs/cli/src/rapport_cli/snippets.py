"""`rapport snippet`: pieces that templates share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Pieces that templates share.", no_args_is_help=True)
PATH = "/v1/snippets"
Name = Annotated[str, typer.Argument(help='As in {% render "NAME" %}.')]
Source = Annotated[str, typer.Argument(help="Liquid in HTML or MJML, or @FILE.")]
COLUMNS = ["name", "version", "created_at", "created_by", "reason"]


@app.command("list")
def list_snippets(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's snippets, by their names."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="There is no snippet.", as_json=as_json)


@app.command("show")
def show_snippet(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Show a snippet, and who has it in it."""
    found = _api(ctx).get(_path(name))
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def create(ctx: typer.Context, name: Name, source: Source, *, as_json: show.AsJson = False) -> None:
    """Make a snippet."""
    answer = _api(ctx).post(PATH, {"name": name, "source": _read(source)})
    show.made(answer, _said(answer, name), as_json=as_json)


@app.command("set")
def set_snippet(
    ctx: typer.Context,
    name: Name,
    source: Source,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the version.")],
    as_json: show.AsJson = False,
) -> None:
    """Write its next version, and tell which templates have it in them when they are set again."""
    answer = _api(ctx).patch(_path(name), {"source": _read(source), "reason": reason})
    show.made(answer, _said(answer, name), as_json=as_json)


@app.command()
def versions(
    ctx: typer.Context,
    name: Name,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = _api(ctx).get(f"{_path(name)}/versions", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command()
def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Archive a snippet that nothing has in it."""
    _api(ctx).delete(_path(name))
    answer = {"name": name, "archived": True}
    show.made(answer, f"Snippet {name} is archived.", as_json=as_json)


def _said(answer: dict[str, Any], name: str) -> str:
    told = f"Snippet {name} is at version {answer['version']}."
    concerned = [f"{one['name']} ({one['id']})" for one in answer.get("in_templates", ())]
    if concerned:
        told += (
            f" Templates that have an older one until they are set again: {', '.join(concerned)}."
        )
    return told


def _read(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError("bad_file", f"{given[1:]} can't be read: {error}.") from error


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"
