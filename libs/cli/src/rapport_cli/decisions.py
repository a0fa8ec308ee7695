"""`rapport profile merge`, `keep-apart`, `cut`, `undo`: who is one person by an operator's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.profiles import Kind, Value, app, id_of

if TYPE_CHECKING:
    from rapport_cli.client import Api

__all__ = ["app"]  # with the commands of `profiles` and these
OtherKind = Annotated[str, typer.Argument(help="The other identifier's kind.")]
OtherValue = Annotated[str, typer.Argument(help="The other identifier.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the decision.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
COLUMNS = ["id", "kind", "one", "other", "event", "actor", "reason", "created_at", "undone_by"]


@app.command()
def merge(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    other_kind: OtherKind,
    other_value: OtherValue,
    *,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Make one person of two identifiers, whatever events say."""
    body = _body((kind, value), (other_kind, other_value), reason, dry_run=dry_run)
    tell(show.session(ctx).api("profile").post("/v1/profiles/merge", body), as_json=as_json)


@app.command("keep-apart")
def keep_apart(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    other_kind: OtherKind,
    other_value: OtherValue,
    *,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Never let two identifiers be one person, whatever events say."""
    body = _body((kind, value), (other_kind, other_value), reason, dry_run=dry_run)
    tell(show.session(ctx).api("profile").post("/v1/profiles/keep-apart", body), as_json=as_json)


@app.command()
def cut(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="The event's source.")],
    message_id: Annotated[str, typer.Argument(help="The event's message id.")],
    *,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Let an event say nothing of who is who: it names others by mistake."""
    body = {"source": source, "message_id": message_id, "reason": reason, "dry_run": dry_run}
    tell(show.session(ctx).api("profile").post("/v1/profiles/cut", body), as_json=as_json)


@app.command()
def undo(
    ctx: typer.Context,
    decision: Annotated[str, typer.Argument(help="The decision's id.")],
    *,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Take a merge, a keep-apart or a cut back."""
    path = f"/v1/decisions/{quote(decision, safe='')}/undo"
    api = show.session(ctx).api("profile")
    tell(api.post(path, {"reason": reason, "dry_run": dry_run}), as_json=as_json)


@app.command()
def decisions(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what operators have said of identifiers and events, and who has undone it."""
    answer = show.session(ctx).api("profile").get("/v1/decisions", limit=limit, cursor=cursor)
    if not as_json:
        for found in answer["items"]:
            found.update({end: _name(found[end]) for end in ("one", "other") if end in found})
            if event := found.get("event"):
                found.update(other="", event=f"{event['source']} {event['message_id']}")
    show.page(answer, COLUMNS, as_json=as_json)


@app.command()
def why(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    other_kind: OtherKind,
    other_value: OtherValue,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show the events that make one person of two identifiers, or what keeps these apart."""
    api = show.session(ctx).api("profile")
    answer = _explained(api, (kind, value), (other_kind, other_value))
    if as_json:
        show.data(answer)
        return
    rows = [{**link, "a": _name(link["a"]), "b": _name(link["b"])} for link in answer["chain"]]
    columns = ["a", "b", "kind", "timestamp", "message_id", "source"]
    apart = answer["other_profile_id"] is not None
    show.rows(rows, columns, empty="They share no event." if apart else "They are one identifier.")
    for obstacle in answer["obstacles"]:
        show.line(obstacle["told"])


def _explained(api: Api, one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any]:
    path = f"/v1/profiles/{quote(id_of(api, *one), safe='')}/why"
    asked = {"kind": one[0], "value": one[1], "to_kind": other[0], "to_value": other[1]}
    return api.get(path, **asked)


def _body(
    one: tuple[str, str], other: tuple[str, str], reason: str, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "one": {"kind": one[0], "value": one[1]},
        "other": {"kind": other[0], "value": other[1]},
        "reason": reason,
        "dry_run": dry_run,
    }


def tell(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print a decision, and what it changes."""
    if as_json:
        show.data(answer)
        return
    told = {"decision": answer.get("decision_id") or "none: nothing was changed"}
    show.pairs(told)
    show.rows(map(_change, answer["changes"]), ["profile", "becomes", "identifiers"], empty="")


def _change(change: dict[str, Any]) -> dict[str, Any]:
    becomes = change["becomes_id"] or ("nobody" if change["ends"] else "")
    names = ", ".join(map(_name, change["identifiers"]))
    return {"profile": change["profile_id"], "becomes": becomes, "identifiers": names}


def _name(identifier: dict[str, Any]) -> str:
    return f"{identifier['kind']} {identifier['value']}"
