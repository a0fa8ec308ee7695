"""`rapport source`: where events come from, their rules and their write keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport_cli.client import Api

PAGE = 1000
MAX_KEYS = 2  # that hold at once, so that one can be changed without a gap

app = typer.Typer(help="Sources of events, their rules and write keys.", no_args_is_help=True)

SourceId = Annotated[str, typer.Argument(help="The source's id, as `rapport source list` shows.")]
PolicyOption = Annotated[str | None, typer.Option(help="Rules in JSON, @FILE or -.")]
KINDS = "web, app, device (everybody can read its key); server, pos, import, partner (you alone)"
KindOption = Annotated[str | None, typer.Option(help=f"Where its key is kept: {KINDS}.")]
CurrencyOption = Annotated[
    str | None, typer.Option(help="ISO 4217, such as EUR: that of orders that name none.")
]
Values = Annotated[list[str], typer.Argument(help="Ids or addresses that stand for nobody.")]
ONCE = "Keep the write key now: it is not shown again."


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    *,
    kind: KindOption = None,
    currency: CurrencyOption = None,
    policy: PolicyOption = None,
    as_json: show.AsJson = False,
) -> None:
    """Create a source and print its write key, which is shown only this once."""
    rules = documents.read(policy, "policy") if policy is not None else {}
    body = _new(name, kind, currency, rules)
    created = show.session(ctx).api("ingest").post("/v1/sources", body)
    if as_json:
        show.data(created)
        return
    show.pairs(created)
    show.line(ONCE)


@app.command("list")
def list_sources(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """List the workspace's sources."""
    found = _items(show.session(ctx).api("ingest"), "/v1/sources")
    if as_json:
        show.data({"items": found, "next": None})
        return
    rows = [{**one, **one.get("events", {}), "warnings": _codes(one)} for one in found]
    columns = ["id", "name", "kind", "created_at", "received", "accepted", "rejected", "warnings"]
    show.rows(rows, columns, empty="There is no source yet.")


@app.command("show")
def show_source(ctx: typer.Context, source: SourceId, *, as_json: show.AsJson = False) -> None:
    """Show a source's rules and counts."""
    _print(show.session(ctx).api("ingest").get(_path(source)), as_json=as_json)


@app.command("set")
def set_policy(
    ctx: typer.Context,
    source: SourceId,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="FIELD=VALUE, as in events_per_second=100 or plan.unplanned=warn."),
    ] = None,
    *,
    policy: PolicyOption = None,
    name: Annotated[str | None, typer.Option(help="Another name to show.")] = None,
    kind: KindOption = None,
    currency: CurrencyOption = None,
    as_json: show.AsJson = False,
) -> None:
    """Change some of a source's rules, and leave the others; VALUE null sets one back."""
    patch = documents.read(policy, "policy") if policy is not None else {}
    for one in settings or ():
        _put(patch, one)
    if currency is not None:
        patch["currency"] = currency
    body: dict[str, Any] = {"policy": patch} if patch else {}
    body |= {key: value for key, value in (("name", name), ("kind", kind)) if value is not None}
    if not body:
        message = "Say what to change: FIELD=VALUE, --policy, --name, --kind or --currency."
        raise CliError("nothing_to_change", message)
    _print(show.session(ctx).api("ingest").patch(_path(source), body), as_json=as_json)


@app.command()
def key(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The source's name or id.")],
    *,
    kind: KindOption = None,
    currency: CurrencyOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Where two keys hold, end the older one first.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Print a new write key of a source and nothing else; with --kind a missing source is made."""
    api = show.session(ctx).api("ingest")
    found = [one for one in _items(api, "/v1/sources") if name in (one["id"], one["name"])]
    if not found and kind is None:
        message = f"There is no source '{name}'. Give --kind to make it; {KINDS}."
        raise CliError("not_found", message)
    if not found:
        made = api.post("/v1/sources", _new(name, kind, currency))
    else:
        _same(found[0], kind, currency)
        path = f"{_path(found[0]['id'])}/keys"
        if replace:
            _make_room(api, path)
        made = api.post(path)
    show.data(made) if as_json else typer.echo(made["write_key"])


@app.command()
def keys(ctx: typer.Context, source: SourceId, *, as_json: show.AsJson = False) -> None:
    """List a source's write keys; a key begins with rk_ and its id."""
    found = _items(show.session(ctx).api("ingest"), f"{_path(source)}/keys")
    if as_json:
        show.data({"items": found, "next": None})
        return
    show.rows(found, ["id", "created_at", "revoked_at"], empty="It has no key.")


@app.command()
def rotate(ctx: typer.Context, source: SourceId, *, as_json: show.AsJson = False) -> None:
    """Add a second write key, and say how to end the first one later."""
    api = show.session(ctx).api("ingest")
    made = api.post(f"{_path(source)}/keys")
    if as_json:
        show.data(made)
        return
    show.pairs(made)
    show.line(ONCE)
    for one in _items(api, f"{_path(source)}/keys"):
        if one["revoked_at"] is None and one["id"] != made["id"]:
            show.line(
                f"The old key goes on. When nothing sends with it any more: "
                f"rapport source revoke {source} {one['id']}"
            )


@app.command()
def revoke(
    ctx: typer.Context,
    source: SourceId,
    key: Annotated[str, typer.Argument(help="The key's id, as `rapport source keys` shows it.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """End a write key: within a second nothing can send with it."""
    path = f"{_path(source)}/keys/{quote(key, safe='')}"
    show.session(ctx).api("ingest").delete(path)
    show.made({"id": key, "revoked": True}, f"Key {key} is revoked.", as_json=as_json)


@app.command()
def counts(
    ctx: typer.Context,
    source: SourceId,
    *,
    days: Annotated[int, typer.Option(help="So many days back.", min=1, max=400)] = 30,
    as_json: show.AsJson = False,
) -> None:
    """Show how many events a source has sent: received = accepted + rejected."""
    answer = show.session(ctx).api("ingest").get(f"{_path(source)}/counts", days=days)
    if as_json:
        show.data(answer)
        return
    whole = {**answer, "day": "all"}
    show.rows([*answer["days"], whole], ["day", "received", "accepted", "rejected", "spooled"])


@app.command()
def blocked(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """List the workspace's own values that are nobody's id; null, guest and such always are."""
    found = show.session(ctx).api("ingest").get("/v1/policy")
    if as_json:
        show.data(found)
        return
    rows = [{"value": one} for one in found["blocked_identifiers"]]
    show.rows(rows, ["value"], empty="None, but those that are blocked everywhere.")


@app.command()
def block(ctx: typer.Context, values: Values, *, as_json: show.AsJson = False) -> None:
    """Take these values for nobody's id from now on, in all sources of the workspace."""
    _block(ctx, add=values, as_json=as_json)


@app.command()
def unblock(ctx: typer.Context, values: Values, *, as_json: show.AsJson = False) -> None:
    """Take these values for ids again."""
    _block(ctx, remove=values, as_json=as_json)


def _block(
    ctx: typer.Context, *, add: Sequence[str] = (), remove: Sequence[str] = (), as_json: bool
) -> None:
    api = show.session(ctx).api("ingest")
    known = api.get("/v1/policy")["blocked_identifiers"]
    kept = [one for one in dict.fromkeys([*known, *add]) if one not in remove]
    answer = api.patch("/v1/policy", {"blocked_identifiers": kept})
    if as_json:
        show.data(answer)
        return
    show.line(f"{len(kept)} values of this workspace are nobody's id.")


def _new(
    name: str, kind: str | None, currency: str | None, rules: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body that makes a source."""
    policy = (rules or {}) | ({"currency": currency} if currency is not None else {})
    given = {"name": name, "policy": policy or None, "kind": kind}
    return {key: value for key, value in given.items() if value is not None}


def _same(source: dict[str, Any], kind: str | None, currency: str | None) -> None:
    """CliError unless the source is what was asked for; None is whatever it is."""
    known = (("kind", kind, source["kind"]), ("currency", currency, source["policy"]["currency"]))
    for field, wanted, is_now in known:
        if wanted is not None and wanted != is_now:
            message = (
                f"Source '{source['id']}' has {field} {is_now or 'none'}, not {wanted}. Leave "
                f"--{field} out, or change it: rapport source set {source['id']} --{field} {wanted}"
            )
            raise CliError("another_source", message, {"field": field, "value": is_now})


def _make_room(api: Api, path: str) -> None:
    """Revoke the oldest key that holds, where there is no room for one more."""
    hold = [one for one in _items(api, path) if one["revoked_at"] is None]
    if len(hold) >= MAX_KEYS:
        oldest = min(hold, key=lambda one: str(one["created_at"]))
        api.delete(f"{path}/{quote(oldest['id'], safe='')}")


def _items(api: Api, path: str) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    answer = api.get(path, limit=PAGE)
    found: list[dict[str, Any]] = answer["items"]
    while answer["next"] is not None:
        answer = api.get(path, limit=PAGE, cursor=answer["next"])
        found += answer["items"]
    return found


def _codes(source: dict[str, Any]) -> str:
    return ", ".join(one["code"] for one in source.get("warnings", ()))


def _path(source: str) -> str:
    return f"/v1/sources/{quote(source, safe='')}"


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(found)
        return
    apart = {"policy", "events", "warnings"}
    flat = {name: value for name, value in found.items() if name not in apart}
    show.pairs({**flat, **found["policy"], **found["events"]})
    for one in found.get("warnings", ()):
        show.line(f"{one['code']}, {one['events']} events until {one['last_at']}: {one['message']}")


def _put(patch: dict[str, Any], setting: str) -> None:
    """Add one FIELD=VALUE; the value is JSON, or else a text."""
    field, equals, text = setting.partition("=")
    *outer, last = field.split(".")
    if not equals or not all([*outer, last]):
        message = f"'{setting}' is not FIELD=VALUE, as in events_per_second=100."
        raise CliError("bad_setting", message)
    for name in outer:
        inner = patch.setdefault(name, {})
        if not isinstance(inner, dict):
            message = f"'{setting}': {name} is given whole already."
            raise CliError("bad_setting", message)
        patch = inner
    try:
        patch[last] = json.loads(text)
    except ValueError:
        patch[last] = text
