"""`rapport privacy restraint`: what is not to be done with a person's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.profiles import Kind, Value

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Say what is not to be done with a person's data.", no_args_is_help=True)
PATH = "/v1/privacy/restraints"
COLUMNS = ["id", "what", "state", "identifiers", "actor", "reason", "created_at", "lifted_by"]
What = Annotated[
    str,
    typer.Argument(
        help="processing: nothing but keeping them; marketing: no promotions, whatever consents "
        "say; profiling: no segments."
    ),
]
Restraint = Annotated[str, typer.Argument(help="The restraint's id.")]
Reason = Annotated[str, typer.Option(help="Why: your own file of the request; name nobody.")]


@app.command("set")
def set_restraint(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    what: What,
    *,
    reason: Reason,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Let a restraint hold of a person until it is lifted, whatever sources say later."""
    wish = {"identifier": {"kind": kind, "value": value}, "what": what, "reason": reason}
    answer = _api(ctx).post(PATH, wish)
    if as_json:
        show.data(answer)
    elif id_only:
        show.line(answer["id"])
    else:
        show.line(f"It holds. `rapport privacy restraint lift {answer['id']}` takes it back.")


@app.command()
def lift(
    ctx: typer.Context, restraint: Restraint, *, reason: Reason, as_json: show.AsJson = False
) -> None:
    """Let a restraint hold no more; others of the same person do."""
    answer = _api(ctx).post(f"{PATH}/{quote(restraint, safe='')}/lift", {"reason": reason})
    if as_json:
        show.data(answer)
    else:
        show.line("It is lifted.")


@app.command("list")
def list_restraints(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all restraints, those that are lifted too, the newest first."""
    show.page(_api(ctx).get(PATH, limit=limit, cursor=cursor), COLUMNS, as_json=as_json)


@app.command("show")
def show_restraint(
    ctx: typer.Context, restraint: Restraint, *, as_json: show.AsJson = False
) -> None:
    """Show a restraint: of what, by whom, why, and whether it holds."""
    answer = _api(ctx).get(f"{PATH}/{quote(restraint, safe='')}")
    if as_json:
        show.data(answer)
    else:
        show.pairs({name: answer[name] for name in (*COLUMNS, "lifted_at", "lifted_reason")})


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("profile")
