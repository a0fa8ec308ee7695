"""`rapport privacy rectification`: what is right of a person, whatever sources say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError
from rapport_cli.profiles import Kind, Value

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Put right what is known of a person.", no_args_is_help=True)
PATH = "/v1/privacy/rectifications"
COLUMNS = ["id", "state", "traits", "identifiers", "actor", "reason", "created_at", "lifted_by"]
Traits = Annotated[
    list[str],
    typer.Argument(
        help="What is right: name=text, or name:=JSON, such as nickname:=null where there is none.",
        metavar="NAME=VALUE…",
    ),
]
Rectification = Annotated[str, typer.Argument(help="The rectification's id.")]
Reason = Annotated[str, typer.Option(help="Why: your own file of the request; name nobody.")]


@app.command("set")
def set_rectification(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    traits: Traits,
    *,
    reason: Reason,
    evidence: Annotated[str | None, typer.Option(help="What shows that it is right.")] = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Let values hold of a person until they are lifted, whatever sources say."""
    wish = {
        "identifier": {"kind": kind, "value": value},
        "traits": dict(map(_trait, traits)),
        "reason": reason,
        "evidence": evidence,
    }
    answer = _api(ctx).post(PATH, wish)
    if as_json:
        show.data(answer)
    elif id_only:
        show.line(answer["id"])
    else:
        show.line(f"It holds. `rapport privacy rectification lift {answer['id']}` takes it back.")


@app.command()
def lift(
    ctx: typer.Context,
    rectification: Rectification,
    *,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let what sources say count again; other rectifications of the same person hold."""
    path = f"{PATH}/{quote(rectification, safe='')}/lift"
    answer = _api(ctx).post(path, {"reason": reason})
    if as_json:
        show.data(answer)
    else:
        show.line("It is lifted.")


@app.command("list")
def list_rectifications(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all rectifications, those that are lifted too, the newest first."""
    show.page(_api(ctx).get(PATH, limit=limit, cursor=cursor), COLUMNS, as_json=as_json)


@app.command("show")
def show_rectification(
    ctx: typer.Context, rectification: Rectification, *, as_json: show.AsJson = False
) -> None:
    """Show a rectification: what, by whom, why, on what evidence, and whether it holds."""
    answer = _api(ctx).get(f"{PATH}/{quote(rectification, safe='')}")
    if as_json:
        show.data(answer)
    else:
        more = ("evidence", "lifted_at", "lifted_reason")
        show.pairs({name: answer[name] for name in (*COLUMNS, *more)})


def _trait(word: str) -> tuple[str, Any]:
    """`name=text` or `name:=JSON`."""
    name, equals, value = word.partition("=")
    if not equals or not name.removesuffix(":"):
        raise CliError("bad_trait", f"{word}: write name=text, or name:=JSON.")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        raise CliError("bad_trait", f"{word}: what stands behind := is no JSON.") from error


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("profile")
