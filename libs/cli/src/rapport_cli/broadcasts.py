"""`rapport broadcast`: one message to many, now, later or again and again."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, jobs, show

app = typer.Typer(
    help="Broadcasts: one message to all of an audience, held, ended and looked at beforehand.",
    no_args_is_help=True,
)
BroadcastId = Annotated[str, typer.Argument(help="The broadcast's id.")]
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]


@app.command("list")
def list_broadcasts(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's broadcasts, the newest first."""
    answer = show.session(ctx).api("campaign").get("/v1/broadcasts", limit=limit, cursor=cursor)
    columns = ["id", "name", "state", "next_at", "runs", "reason"]
    show.page(answer, columns, empty="There is no broadcast.", as_json=as_json)


@app.command("show")
def show_broadcast(
    ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False
) -> None:
    """Show a broadcast and how many of its messages are in which state."""
    found = show.session(ctx).api("campaign").get(_path(broadcast_id))
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def create(
    ctx: typer.Context,
    document: Document,
    *,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a draft of a JSON object as POST /v1/broadcasts takes it."""
    body = documents.read(document, "broadcast")
    answer = show.session(ctx).api("campaign").post("/v1/broadcasts", body)
    _told(answer, as_json=as_json, id_only=id_only)


@app.command("set")
def set_broadcast(
    ctx: typer.Context,
    broadcast_id: BroadcastId,
    document: Document,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Change fields of what has not begun; it has to be approved anew."""
    body = documents.read(document, "change")
    _told(show.session(ctx).api("campaign").patch(_path(broadcast_id), body), as_json=as_json)


@app.command()
def runs(
    ctx: typer.Context,
    broadcast_id: BroadcastId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List its runs, the newest first; `rapport campaign messages RUN` has what one sends."""
    path = f"{_path(broadcast_id)}/runs"
    answer = show.session(ctx).api("campaign").get(path, limit=limit, cursor=cursor)
    columns = ["id", "number", "state", "at", "ended_at", "reason"]
    show.page(answer, columns, empty="It has not begun.", as_json=as_json)


@app.command()
def history(
    ctx: typer.Context,
    broadcast_id: BroadcastId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List who did what to it, the newest first."""
    path = f"{_path(broadcast_id)}/history"
    answer = show.session(ctx).api("campaign").get(path, limit=limit, cursor=cursor)
    columns = ["at", "actor", "action", "details"]
    show.page(answer, columns, empty="Nobody has done anything.", as_json=as_json)


@app.command("dry-run")
def dry_run(
    ctx: typer.Context,
    broadcast_id: BroadcastId,
    *,
    render: Annotated[
        bool, typer.Option(help="Make each message, to know of whom that fails; it takes longer.")
    ] = True,
    as_json: show.AsJson = False,
) -> None:
    """Find out who would get it now, when, and who would not, and why; nothing is sent."""
    api = show.session(ctx).api("campaign")
    query = "" if render else "?render=false"
    job = api.post(f"{_path(broadcast_id)}/dry-runs{query}")
    found = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(found)
        return
    report = dict(found.get("report") or {})
    run = report.pop("run", {})
    for outcome, reasons in report.items():
        for reason, number in reasons.items():
            show.line(f"{number:>9}  {outcome}{f': {reason}' if reason else ''}")
    if run.get("first_at"):
        show.line(f"from {run['first_at']} to {run['last_at']}, at the earliest")
    if run.get("not_begun"):
        show.line(f"It would not be begun: {run['not_begun']}")
    if not run.get("rendered", True):
        show.note("No message was made, so those of whom that fails are among those who get it.")
    show.note(f"Who is what: rapport broadcast people {broadcast_id} {found['id']}")


@app.command()
def people(
    ctx: typer.Context,
    broadcast_id: BroadcastId,
    job_id: Annotated[str, typer.Argument(help="The dry run's, as `dry-run` prints it.")],
    *,
    outcome: Annotated[str | None, typer.Option(help="gets, waits, never or fails.")] = None,
    reason: Annotated[str | None, typer.Option(help="Such as `no consent`.")] = None,
    profile_id: Annotated[str | None, typer.Option(help="Of this person only.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what a dry run has found of each person."""
    path = f"{_path(broadcast_id)}/dry-runs/{quote(job_id, safe='')}/people"
    asked = {"outcome": outcome, "reason": reason, "profile_id": profile_id}
    answer = show.session(ctx).api("campaign").get(path, **asked, limit=limit, cursor=cursor)
    columns = ["profile_id", "outcome", "reason", "due_at"]
    show.page(answer, columns, empty="It has found nobody.", as_json=as_json)


@app.command()
def schedule(
    ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False
) -> None:
    """Let a draft begin when its schedule says."""
    _step(ctx, broadcast_id, "schedule", as_json=as_json)


@app.command()
def approve(ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False) -> None:
    """Say yes to what goes to many people and somebody else has edited."""
    _step(ctx, broadcast_id, "approve", as_json=as_json)


@app.command()
def pause(ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False) -> None:
    """Hold it; what is being handed over right now may still go out."""
    _step(ctx, broadcast_id, "pause", as_json=as_json)


@app.command()
def resume(ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False) -> None:
    """Go on; what is too late by now is not sent."""
    _step(ctx, broadcast_id, "resume", as_json=as_json)


@app.command()
def cancel(ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False) -> None:
    """End it for good: what is planned is not sent."""
    _step(ctx, broadcast_id, "cancel", as_json=as_json)


@app.command()
def again(ctx: typer.Context, broadcast_id: BroadcastId, *, as_json: show.AsJson = False) -> None:
    """Send it again to those only whose message failed in its newest run."""
    answer = show.session(ctx).api("campaign").post(f"{_path(broadcast_id)}/again")
    show.made(answer, f"Run {answer['number']} has begun: {answer['id']}.", as_json=as_json)


def _path(broadcast_id: str) -> str:
    return f"/v1/broadcasts/{quote(broadcast_id, safe='')}"


def _step(ctx: typer.Context, broadcast_id: str, verb: str, *, as_json: bool) -> None:
    answer = show.session(ctx).api("campaign").post(f"{_path(broadcast_id)}/{verb}")
    _told(answer, as_json=as_json)


def _told(answer: dict[str, Any], *, as_json: bool, id_only: bool = False) -> None:
    told = f"Broadcast {answer['id']} is {answer['state']}."
    show.made(answer, told, as_json=as_json, id_only=id_only)
    if not as_json and answer.get("reason"):
        show.note(answer["reason"])
