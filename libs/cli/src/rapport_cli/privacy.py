"""`rapport privacy`: people who are to be forgotten, and what all services have answered."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import access, rectifications, restraints, show
from rapport_cli.errors import CliError
from rapport_cli.profiles import Kind, Value

app = typer.Typer(
    help="Forget people and prove it, heed what they object to, put right what is wrong.",
    no_args_is_help=True,
)
app.add_typer(access.app, name="access")
app.add_typer(restraints.app, name="restraint")
app.add_typer(rectifications.app, name="rectification")
PATH = "/v1/privacy/erasures"
COLUMNS = ["id", "state", "identifiers", "actor", "reason", "created_at", "finished_at"]
ANSWERS = ["service", "at", "rows", "tables"]


@app.command()
def erase(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    reason: Annotated[
        str, typer.Option(help="Why: your own file of the request. Kept for ever; name nobody.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show who and what that would be.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Forget a person in all services, by any identifier. It can't be undone."""
    api = show.session(ctx).api("profile")
    wish = {"identifier": {"kind": kind, "value": value}, "reason": reason}
    if not dry_run and not yes:
        shown = api.post(PATH, {**wish, "dry_run": True})
        question = f"Whoever has {kind} {value} ({_size(shown)}) is forgotten for ever. Sure?"
        typer.confirm(question, abort=True)
    answer = api.post(PATH, {**wish, "dry_run": dry_run})
    if as_json:
        show.data(answer)
    elif dry_run:
        show.pairs({"profile": answer["profile_id"] or "nobody is known", "that is": _size(answer)})
        removed = [{"table": one, "rows": n} for one, n in answer["would_remove"].items()]
        show.rows(removed, ["table", "rows"], empty="")
    elif id_only:
        show.line(answer["id"])
    else:
        show.line(f"`rapport privacy show {answer['id']}` shows what services have answered.")


@app.command("list")
def list_erasures(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all wishes to be forgotten, the newest first."""
    answer = show.session(ctx).api("profile").get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("show")
def show_erasure(
    ctx: typer.Context,
    erasure: Annotated[str, typer.Argument(help="The wish's id.")],
    *,
    receipt: Annotated[
        bool, typer.Option("--receipt", help="Print only the signed final receipt (a JWT).")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Show a wish to be forgotten, with what each service has answered."""
    answer = show.session(ctx).api("profile").get(f"{PATH}/{quote(erasure, safe='')}")
    if receipt:
        show.line(_receipt(answer))
    elif as_json:
        show.data(answer)
    else:
        show.pairs({name: answer[name] for name in (*COLUMNS, "last_copy_expires_at")})
        show.rows(map(_answer, answer["services"]), ANSWERS, empty="")


@app.command()
def keys(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Print the public keys that final receipts are checked by; `--json`: as a JWKS."""
    answer = show.session(ctx).api("profile").get("/v1/privacy/keys")
    if as_json:
        show.data(answer)
    else:
        show.rows(answer["keys"], ["kid", "kty", "crv", "x"], empty="")


def _size(answer: dict[str, Any]) -> str:
    return f"{answer['identifiers']} identifiers"


def _receipt(answer: dict[str, Any]) -> str:
    if answer["receipt"] is None:
        waiting = [one["service"] for one in answer["services"] if one["at"] is None]
        message = f"There is no final receipt yet: {', '.join(waiting)} have not answered."
        raise CliError("no_receipt", message)
    return str(answer["receipt"])


def _answer(one: dict[str, Any]) -> dict[str, Any]:
    tables = ", ".join(f"{table} {rows}" for table, rows in (one["tables"] or {}).items())
    return {**one, "tables": tables}
