"""`rapport retention`: how long which service keeps which class of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport_cli.client import Api

app = typer.Typer(help="How long which class of data is kept.", no_args_is_help=True)
PATH = "/v1/retention-rules"
COLUMNS = ["version", "days", "created_at", "actor", "reason"]
Service = Annotated[str, typer.Option(help="campaign, segment, or feedback.")]
Days = Annotated[
    list[str] | None,
    typer.Argument(
        help="How many days each class is kept, such as contents=365. Left out: for ever.",
        metavar="CLASS=DAYS…",
    ),
]


@app.command("show")
def show_rules(ctx: typer.Context, *, service: Service, as_json: show.AsJson = False) -> None:
    """Show the rules that hold, and the classes that a service has."""
    answer = _api(ctx, service).get(PATH)
    if as_json:
        show.data(answer)
        return
    kept = answer["days"]
    rows = [{**one, "days": kept.get(one["name"], "for ever")} for one in answer["classes"]]
    show.rows(rows, ["name", "days", "about", "shortest"], empty="")


@app.command()
def history(
    ctx: typer.Context,
    *,
    service: Service,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = _api(ctx, service).get(f"{PATH}/history", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command()
def gone(
    ctx: typer.Context,
    *,
    service: Service,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List how much has gone, by day and class."""
    answer = _api(ctx, service).get(f"{PATH}/gone", limit=limit, cursor=cursor)
    show.page(answer, ["day", "name", "rows"], as_json=as_json)


@app.command()
def preview(
    ctx: typer.Context, days: Days = None, *, service: Service, as_json: show.AsJson = False
) -> None:
    """Show how many rows would go, those of whom it is only kept among them."""
    answer = _api(ctx, service).post(f"{PATH}/preview", {"days": _read(days or ())})
    if as_json:
        show.data(answer)
    else:
        rows = [{"name": name, "rows": number} for name, number in answer["rows"].items()]
        show.rows(rows, ["name", "rows"], empty="Nothing: no class was named.")


@app.command("set")
def set_rules(
    ctx: typer.Context,
    days: Days = None,
    *,
    service: Service,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the rules.")],
    as_json: show.AsJson = False,
) -> None:
    """Let rules hold in the place of others: what is over its time goes within hours."""
    api = _api(ctx, service)
    wish = {"days": _read(days or ()), "version": api.get(PATH)["version"], "reason": reason}
    answer = api.put(PATH, wish)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")


def _read(words: Sequence[str]) -> dict[str, int]:
    """`contents=365` by class."""
    found: dict[str, int] = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not equals or not number.isdecimal():
            raise CliError("bad_days", f"{word}: write a class and days, such as contents=365.")
        found[name] = int(number)
    return found


def _api(ctx: typer.Context, service: str) -> Api:
    return show.session(ctx).api(service)
