"""`rapport recommendation`: what templates recommend; `rapport recommender`: who else says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, profiles, show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="What templates recommend to whom.", no_args_is_help=True)
own = typer.Typer(help="A recommender of your own.", no_args_is_help=True)
PATH, OWN = "/v1/recommendations", "/v1/recommender"
COLUMNS = ["slot", "n", "strategies", "days", "when_empty", "provider", "updated_at", "updated_by"]
Slot = Annotated[str, typer.Argument(help="As in recommendations.SLOT of templates.")]


@app.command("list")
def list_slots(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the slots that templates can name."""
    answer = _api(ctx).get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="There is no slot.", as_json=as_json)


@app.command("show")
def show_slot(ctx: typer.Context, slot: Slot, *, as_json: show.AsJson = False) -> None:
    """Show by what a slot is filled."""
    _told(_api(ctx).get(_path(slot)), as_json=as_json)


@app.command("set")
def set_slot(
    ctx: typer.Context,
    slot: Slot,
    document: Annotated[str, typer.Argument(help='{"n": 3, …}, @FILE, or -.')] = "{}",
    *,
    as_json: show.AsJson = False,
) -> None:
    """Let a slot be filled so, as a whole; what is left out is as usual."""
    _told(_api(ctx).put(_path(slot), documents.read(document, "slot")), as_json=as_json)


@app.command()
def archive(ctx: typer.Context, slot: Slot, *, as_json: show.AsJson = False) -> None:
    """Archive a slot: it has nothing from now on."""
    _api(ctx).delete(_path(slot))
    show.made({"slot": slot, "archived": True}, f"Slot {slot} is archived.", as_json=as_json)


@app.command("for")
def of_person(
    ctx: typer.Context,
    slot: Slot,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show what a person would be recommended now, and why."""
    session = show.session(ctx)
    person = profiles.id_of(session.api("profile"), kind, value)
    path = f"/v1/people/{quote(person, safe='')}/recommendations"
    found = session.api("campaign").get(path, slot=slot)
    if as_json:
        show.data(found)
    else:
        columns = ["sku", "name", "price", "currency", "because"]
        show.rows(found["products"], columns, empty="Nothing to recommend.")


@app.command()
def said(
    ctx: typer.Context,
    send_key: Annotated[str, typer.Argument(help="The message's, as `messages --json` has it.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show what a message recommended, and why."""
    found = _api(ctx).get(f"/v1/messages/{quote(send_key, safe='')}/recommendations")
    if as_json:
        show.data(found)
    else:
        told = [{"slot": one["slot"], **each} for one in found["slots"] for each in one["products"]]
        show.rows(told, ["slot", "sku", "reason"], empty="It recommended nothing.")


@own.command("show")
def show_recommender(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show where your own recommender is asked."""
    _told(_api(ctx).get(OWN), as_json=as_json)


@own.command("set")
def set_recommender(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="https://…")],
    *,
    deadline_ms: Annotated[int, typer.Option(min=50, help="Who is later is not waited for.")] = 500,
    new_secret: Annotated[bool, typer.Option(help="In place of the one it has.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Let slots with `"provider": "http"` ask there; prints the secret when it is new."""
    body = {"url": url, "deadline_ms": deadline_ms, "new_secret": new_secret}
    _told(_api(ctx).put(OWN, body), as_json=as_json)


@own.command("archive")
def end_recommender(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Ask it no more."""
    _api(ctx).delete(OWN)
    show.made({"archived": True}, "Your own recommender is asked no more.", as_json=as_json)


def _told(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(slot: str) -> str:
    return f"{PATH}/{quote(slot, safe='')}"
