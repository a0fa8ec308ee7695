"""`rapport privacy access`: all that is known of a person, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.profiles import Kind, Value
from rapport_cli.whole_files import whole

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Tell a person all that is known of them.", no_args_is_help=True)
PATH = "/v1/privacy/access"
COLUMNS = ["id", "state", "identifiers", "actor", "reason", "created_at", "due_at", "expires_at"]
TOLD = ["service", "at", "rows", "sections"]
OWNER_ONLY = 0o600
Request = Annotated[str, typer.Argument(help="The request's id.")]


@app.command("ask")
def ask(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    reason: Annotated[str, typer.Option(help="Why: your own file of the request; name nobody.")],
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Ask all services what they hold of a person, by any identifier."""
    wish = {"identifier": {"kind": kind, "value": value}, "reason": reason}
    answer = _api(ctx).post(PATH, wish)
    if as_json:
        show.data(answer)
    elif id_only:
        show.line(answer["id"])
    else:
        show.line(f"`rapport privacy access show {answer['id']}` shows which have told it.")


@app.command("list")
def list_requests(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all requests, the newest first."""
    show.page(_api(ctx).get(PATH, limit=limit, cursor=cursor), COLUMNS, as_json=as_json)


@app.command("show")
def show_request(ctx: typer.Context, request: Request, *, as_json: show.AsJson = False) -> None:
    """Show a request, with what each service has told."""
    answer = _api(ctx).get(_path(request))
    if as_json:
        show.data(answer)
    else:
        show.pairs({name: answer[name] for name in (*COLUMNS, "finished_at", "downloads")})
        show.rows(map(_told, answer["services"]), TOLD, empty="")


@app.command()
def download(
    ctx: typer.Context,
    request: Request,
    file: Annotated[Path, typer.Argument(help="Where to write it: JSON Lines.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Write all that is known of the person to a file that only you can read; that is noted."""
    with whole(file, as_json=as_json) as part:
        part.touch(OWNER_ONLY)
        with part.open("wb") as out:
            for piece in _api(ctx).download(f"{_path(request)}/file"):
                out.write(piece)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("profile")


def _path(request: str) -> str:
    return f"{PATH}/{quote(request, safe='')}"


def _told(one: dict[str, Any]) -> dict[str, Any]:
    sections = ", ".join(f"{name} {rows}" for name, rows in (one["sections"] or {}).items())
    return {**one, "sections": sections}
