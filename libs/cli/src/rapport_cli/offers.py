"""`rapport offer`, `rapport price-guards`: list prices, and by which rules others are paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote as quoted

import typer

from rapport_cli import documents, rules, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="List prices, and rules for other prices.", no_args_is_help=True)
PATH, GUARDS = "/v1/offers", "/v1/price-guards"
PARTS = (
    *("rails", "traits", "protected", "unprotected", "tier_trait", "city_tier_trait"),
    *("city_trait", "cities"),
)
SHIPPED = "shipped"
TOLD = ("name", "newest", "archived_at", "actor", "reason", "created_at", "clamps")
"""What an offer is shown with, and not declared by."""
COLUMNS = ["sku", "price", "list_price", "currency", "rule", "clamped_by", "why"]
Name = Annotated[str, typer.Argument(help="The offer's name, such as summer.")]
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]
Sku = Annotated[list[str], typer.Option("--sku", help="A product; can be given several times.")]
File = Annotated[str, typer.Argument(help='{"rails": {…}, "traits": […], …} in a file, or - .')]
guards = rules.rules_app(GUARDS, "Guard rails of prices, and what rules may read.", "campaign")


@guards.command("set")
def set_guards(
    ctx: typer.Context, file: File, *, reason: rules.Reason, as_json: show.AsJson = False
) -> None:
    """Let the guards in a file hold from now on, for all offers; as a whole."""
    given = rules.read(file, (*PARTS, SHIPPED))
    given.pop(SHIPPED, None)
    answer = rules.put(_api(ctx), GUARDS, given, reason)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")


@app.command("list")
def list_offers(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's offers, by their names."""
    answer = _api(ctx).get(PATH, archived=archived, limit=limit, cursor=cursor)
    columns = ["name", "version", "changed_at"]
    show.page(answer, columns, empty="There is no offer.", as_json=as_json)


@app.command("show")
def show_offer(
    ctx: typer.Context,
    name: Name,
    *,
    version: Annotated[int | None, typer.Option(help="As it was then.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show an offer, and what guard rails change in it; with --json as it can be set again."""
    found = _api(ctx).get(_path(name), version=version)
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command("set")
def set_offer(
    ctx: typer.Context,
    name: Name,
    document: Document,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the version.")],
    as_json: show.AsJson = False,
) -> None:
    """Let an offer be so from now on, as a whole: {"currency", "products", "rules"}."""
    api = _api(ctx)
    given = documents.read(document, "offer")
    # What was printed by `show` says from which version it comes: nobody's is written over.
    version = given.pop("version", None)
    said = {key: value for key, value in given.items() if key not in TOLD}
    seen = _version(api, name) if version is None else version
    answer = api.put(_path(name), {**said, "version": seen, "reason": reason})
    told = f"Offer {name} is at version {answer['version']}."
    if answer["clamps"]:
        told += f" Guard rails change {len(answer['clamps'])} prices or more: `rapport offer show`."
    show.made(answer, told, as_json=as_json)


@app.command()
def history(
    ctx: typer.Context,
    name: Name,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = _api(ctx).get(f"{_path(name)}/history", limit=limit, cursor=cursor)
    show.page(answer, rules.COLUMNS, as_json=as_json)


@app.command()
def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Archive an offer: no price is said by it any more."""
    _api(ctx).delete(_path(name))
    answer = {"name": name, "archived": True}
    show.made(answer, f"Offer {name} is archived.", as_json=as_json)


@app.command()
def quote(
    ctx: typer.Context,
    name: Name,
    *,
    sku: Sku,
    channel: Annotated[str, typer.Option(help="Such as store, web or email.")],
    profile_id: Annotated[str | None, typer.Option(help="For whom.")] = None,
    facts: Annotated[str | None, typer.Option(help='In its place: \'{"tier": "gold"}\'.')] = None,
    at: Annotated[str | None, typer.Option(help="When it is bought, with an offset.")] = None,
    record: Annotated[bool, typer.Option(help="Keep it, to be asked for by its id.")] = False,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Ask what something costs somebody, by which rule, and why."""
    asked: dict[str, Any] = {"skus": sku, "channel": channel}
    asked |= {"profile_id": profile_id} if profile_id else {}
    asked |= {"facts": documents.read(facts, "facts")} if facts else {}
    asked |= {"at": at} if at else {}
    answer = _api(ctx).post(f"{_path(name)}/{'quotes' if record else 'quote'}", asked)
    _told(answer, as_json=as_json, id_only=id_only)


@app.command("quoted")
def quoted_before(
    ctx: typer.Context,
    name: Name,
    quote_id: Annotated[str, typer.Argument(help="The id of a quote that was kept.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show a quote that was kept, as it was answered then."""
    found = _api(ctx).get(f"{_path(name)}/quotes/{quoted(quote_id, safe='')}")
    _told(found, as_json=as_json)


def prices(
    ctx: typer.Context,
    message_id: Annotated[str, typer.Argument(help="The message's id (its send key).")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show the prices that a message has named, and which rule gave each."""
    _told(_api(ctx).get(f"/v1/messages/{quoted(message_id, safe='')}/prices"), as_json=as_json)


def _told(answer: dict[str, Any], *, as_json: bool, id_only: bool = False) -> None:
    if as_json:
        show.data(answer)
    elif id_only:
        show.line(str(answer["id"]))
    else:
        show.rows(answer["prices"], COLUMNS, empty="No price.")


def _version(api: Api, name: str) -> int:
    try:
        return int(api.get(_path(name))["newest"])
    except CliError as error:
        if error.code != "not_found":
            raise
        return 0


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(name: str) -> str:
    return f"{PATH}/{quoted(name, safe='')}"
