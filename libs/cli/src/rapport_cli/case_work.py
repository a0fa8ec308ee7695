"""`rapport case inbox`, `next`, `assign`, `merge`, `search`, `bulk`, `watch`: the work on cases."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from rapport_cli import show
from rapport_cli.case_desk import AgentOption
from rapport_cli.cases import COLUMNS, CaseId, SeenVersion, app
from rapport_cli.debugger import messages
from rapport_cli.errors import CliError

__all__ = ["app"]

View = Annotated[str, typer.Option(help="`case-view list` has them.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]
Other = Annotated[str, typer.Argument(help="The other case's id.")]


@app.command()
def inbox(
    ctx: typer.Context,
    *,
    view: View = "open",
    agent: AgentOption = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the cases of a view in its order, and who has them open."""
    api = show.session(ctx).api("feedback")
    answer = api.get("/v1/inbox", view=view, agent=agent, limit=limit, cursor=cursor)
    if not as_json:
        for one in answer["items"]:
            one["viewers"] = [each["agent"] for each in one.get("viewers", ())]
    columns = ["number", "id", "state", "severity", "subject", "queue", "owner", "due_at"]
    show.page(answer, [*columns, "viewers"], empty="Nothing waits here.", as_json=as_json)


@app.command("next")
def take(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(help="The queue's name.")],
    *,
    agent: AgentOption = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Take the most urgent case of a queue that is nobody's."""
    path = f"/v1/queues/{quote(queue, safe='')}/next"
    answer = show.session(ctx).api("feedback").post(path, {"agent": agent})
    found = answer.get("taken")
    if as_json:
        show.data(answer)
    elif found is None:
        show.note("Nothing waits there that they can have.")
    else:
        _told(found, f"is {found['owner']}'s: {found['subject']}", id_only=id_only)


@app.command()
def assign(
    ctx: typer.Context,
    case: CaseId,
    agent: Annotated[
        str | None, typer.Argument(help="Whose; left out: whoever its queue would choose.")
    ] = None,
    *,
    nobody: Annotated[bool, typer.Option(help="Give it back instead.")] = False,
    reason: Reason = "",
    version: SeenVersion = None,
    as_json: show.AsJson = False,
) -> None:
    """Let a case be somebody's."""
    body = {"agent": agent, "nobody": nobody, "reason": reason, "version": version}
    answer = show.session(ctx).api("feedback").post(f"{_path(case)}/assign", body)
    _told(answer, f"is {answer.get('owner') or 'nobody'}'s.", as_json=as_json)


@app.command()
def presence(
    ctx: typer.Context,
    case: CaseId,
    *,
    agent: AgentOption = None,
    writing: Annotated[bool, typer.Option(help="An answer is being written.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Say that a case is open for the next minute, and see who else has it open."""
    api, path = show.session(ctx).api("feedback"), f"{_path(case)}/presence"
    answer = api.put(path, {"agent": agent, "writing": writing})
    if as_json:
        show.data(answer)
    else:
        show.rows(answer.get("others", ()), ["agent", "writing", "until_at"], empty="Nobody else.")


@app.command()
def leave(
    ctx: typer.Context, case: CaseId, *, agent: AgentOption = None, as_json: show.AsJson = False
) -> None:
    """Say that a case is open no more."""
    asked = {"agent": agent} if agent else {}
    show.session(ctx).api("feedback").delete(f"{_path(case)}/presence", **asked)
    if as_json:
        show.data({"id": case})
    else:
        show.line(f"{case} is left.")


@app.command()
def duplicates(
    ctx: typer.Context,
    case: CaseId,
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List cases that may be the same, the likest first."""
    api = show.session(ctx).api("feedback")
    answer = api.get(f"{_path(case)}/duplicates", limit=limit, cursor=cursor)
    columns = ["number", "id", "state", "subject", "score", "words", "same_person", "same_order"]
    show.page(answer, columns, empty="None is like it.", as_json=as_json)


@app.command()
def merge(
    ctx: typer.Context,
    case: CaseId,
    into: Other,
    *,
    reason: Reason = "",
    version: SeenVersion = None,
    as_json: show.AsJson = False,
) -> None:
    """Close a case as a duplicate of another one, which goes on."""
    body = {"into_id": into, "reason": reason, "version": version}
    answer = show.session(ctx).api("feedback").post(f"{_path(case)}/merge", body)
    show.made(answer, f"{case} goes on as {answer.get('heir_id', into)}.", as_json=as_json)


@app.command()
def unmerge(
    ctx: typer.Context, case: CaseId, *, reason: Reason = "", as_json: show.AsJson = False
) -> None:
    """Undo that, within a week."""
    answer = show.session(ctx).api("feedback").post(f"{_path(case)}/unmerge", {"reason": reason})
    _told(answer, f"is {answer['state']} again.", as_json=as_json)


@app.command()
def link(
    ctx: typer.Context,
    case: CaseId,
    other: Other,
    *,
    kind: Annotated[str, typer.Option(help="related, caused_by or child_of.")] = "related",
    reason: Reason = "",
    as_json: show.AsJson = False,
) -> None:
    """Link a case with another one."""
    body = {"other_id": other, "kind": kind, "reason": reason}
    show.session(ctx).api("feedback").post(f"{_path(case)}/links", body)
    if as_json:
        show.data(body)
    else:
        show.line(f"{case} is {kind} {other}.")


@app.command()
def unlink(ctx: typer.Context, case: CaseId, other: Other, *, as_json: show.AsJson = False) -> None:
    """Let two cases have nothing to do with each other."""
    show.session(ctx).api("feedback").delete(f"{_path(case)}/links/{quote(other, safe='')}")
    if as_json:
        show.data({"id": case, "other_id": other})
    else:
        show.line(f"{case} and {other} are not linked.")


@app.command()
def links(
    ctx: typer.Context,
    case: CaseId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what a case is linked with."""
    answer = (
        show.session(ctx).api("feedback").get(f"{_path(case)}/links", limit=limit, cursor=cursor)
    )
    show.page(answer, ["kind", "number", "other_id", "state", "subject"], as_json=as_json)


@app.command()
def search(
    ctx: typer.Context,
    words: Annotated[str, typer.Argument(help="Words, by their beginnings; all in one place.")],
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """Find cases by words in them: customers', in messages, in notes."""
    api = show.session(ctx).api("feedback")
    answer = api.get("/v1/cases/search", q=words, limit=limit, cursor=cursor)
    show.page(answer, [*COLUMNS[:4], "places", "excerpt"], empty="Nothing.", as_json=as_json)


@app.command()
def bulk(
    ctx: typer.Context,
    cases: Annotated[list[str] | None, typer.Argument(help="Ids; or --view.")] = None,
    *,
    view: Annotated[str | None, typer.Option(help="The cases of a view instead.")] = None,
    change: Annotated[str, typer.Option(help='Fields, e.g. {"category": "damaged"}.')] = "{}",
    state: Annotated[str | None, typer.Option(help="The next state.")] = None,
    note: Annotated[str, typer.Option(help="A note at each, for staff.")] = "",
    reason: Reason = "",
    as_json: show.AsJson = False,
) -> None:
    """Change many cases by a job; `case verdicts` says what became of each."""
    try:
        fields = json.loads(change)
    except ValueError as error:
        message = f"--change is no JSON: {error}"
        raise CliError("bad_value", message) from error
    body = {
        "cases": [{"id": one} for one in cases or ()],
        "view": view,
        "change": {**fields, "reason": reason},
        "state": state,
        "note": note,
    }
    answer = show.session(ctx).api("feedback").post("/v1/cases/bulk", body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Job {answer['job_id']} changes {answer.get('cases', 0)} cases.")


@app.command()
def verdicts(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="The job of a bulk change.")],
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what has become of each case of a bulk change."""
    path = f"/v1/cases/bulk/{quote(job, safe='')}/verdicts"
    answer = show.session(ctx).api("feedback").get(path, limit=limit, cursor=cursor)
    show.page(answer, ["place", "case_id", "verdict", "message"], as_json=as_json)


@app.command()
def watch(
    ctx: typer.Context,
    *,
    view: View = "open",
    agent: AgentOption = None,
    limit: Annotated[int | None, typer.Option(help="End after so many changes.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show changes of a view's cases as they happen; Ctrl-C ends."""
    asked = {"view": view, **({"agent": agent} if agent else {})}
    api, shown = show.session(ctx).api("feedback"), 0
    for name, data in messages(api.lines(f"/v1/cases/live?{urlencode(asked)}")):
        if name == "ready":
            show.note("Watching. Changes appear within a second or two; Ctrl-C ends.")
        elif name in {"case", "gone"}:
            shown += 1
            _print(name, data, as_json=as_json)
        if shown == limit:
            return
        if name == "end":
            show.note("The stream has ended. Run the command again.")
            return
    message = "The stream ended before its time. Run the command again."
    raise CliError("stream_ended", message)


def _print(name: str, data: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.line(json.dumps({"event": name, **data}, ensure_ascii=False))
    elif name == "case":
        whose = data["owner"] or "nobody"
        show.line(f"{data['number']} {data['state']}, {whose}'s: {data['subject']} ({data['id']})")
    else:
        show.line(f"{data['id']} has changed, and is not in the view")


def _path(case: str) -> str:
    return f"/v1/cases/{quote(case, safe='')}"


def _told(
    found: dict[str, Any], told: str, *, as_json: bool = False, id_only: bool = False
) -> None:
    line = f"Case {found['number']} ({found['id']}) {told}"
    show.made(found, line, as_json=as_json, id_only=id_only)
