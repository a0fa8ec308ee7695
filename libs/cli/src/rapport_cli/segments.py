"""`rapport segment`: rules, and who they hold for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from rapport_cli import documents, jobs, library, profiles, rfm, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Segments: rules and their members.", no_args_is_help=True)
Rule = Annotated[
    str,
    typer.Argument(help="One line (orders >= 2), or JSON; @FILE, or - for standard input."),
]
Segment = Annotated[str, typer.Argument(help="The segment's id, or its name.")]
Wait = Annotated[bool, typer.Option(help="Until everybody has been held against the rule.")]
AsOf = Annotated[str | None, typer.Option(help="An instant, such as 2026-03-01T09:00:00Z.")]
app.add_typer(rfm.app, name="rfm")
app.add_typer(library.app, name="library")
COLUMNS = ["id", "name", "version", "status", "members"]


@app.command("list")
def list_segments(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's segments by name."""
    answer = _api(ctx).get("/v1/segments", archived=archived or None, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, empty="There is no segment.", as_json=as_json)


@app.command("show")
def show_segment(ctx: typer.Context, segment: Segment, *, as_json: show.AsJson = False) -> None:
    """Show a segment: its rule, its members, and how far it is built."""
    found = find(_api(ctx), segment)
    if as_json:
        show.data(found)
        return
    show.pairs({**found, "rule": _written(found["rule"])})


@app.command("schema")
def show_schema(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show the JSON Schema of rules, for editors and programs that make them."""
    del as_json  # it is JSON in any case
    show.data(_api(ctx).get("/v1/segments/schema"))


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    rule: Rule,
    *,
    draft: Annotated[bool, typer.Option(help="Nobody is in it until `set --active`.")] = False,
    wait: Wait = False,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Create a segment, in force at once; who fits already enters as it is built."""
    body = {"name": name, "active": not draft, **_given(rule)}
    api = _api(ctx)
    answer = api.post("/v1/segments", body)
    _told(api, answer, wait=wait, as_json=as_json, id_only=id_only)


@app.command("set")
def set_segment(
    ctx: typer.Context,
    segment: Segment,
    *,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="Its new rule: one line, JSON, @FILE or -.")
    ] = None,
    active: Annotated[
        bool | None, typer.Option(help="While it is not active nobody is in it.")
    ] = None,
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Change a segment; another rule is built beside the one in force, and swapped with it."""
    given = {"name": name, "active": active, **({} if rule is None else _given(rule))}
    body = {key: value for key, value in given.items() if value is not None}
    if not body:
        raise CliError("nothing_to_change", "Say what to change: --name, --rule, or --no-active.")
    api = _api(ctx)
    answer = api.patch(path_of(find(api, segment)["id"]), body)
    _told(api, answer, wait=wait, as_json=as_json)


@app.command()
def rebuild(
    ctx: typer.Context, segment: Segment, *, wait: Wait = False, as_json: show.AsJson = False
) -> None:
    """Hold everybody against the rule again, for example after a cancelled build."""
    api = _api(ctx)
    answer = api.post(f"{path_of(find(api, segment)['id'])}/rebuild")
    _told(api, answer, wait=wait, as_json=as_json)


@app.command()
def archive(
    ctx: typer.Context, segment: Segment, *, wait: Wait = False, as_json: show.AsJson = False
) -> None:
    """Archive a segment: its members leave, its name is free, its history is kept."""
    api = _api(ctx)
    path = path_of(find(api, segment)["id"])
    api.delete(path)
    answer = api.get(path)
    _told(api, answer, wait=wait, as_json=as_json)


@app.command()
def preview(ctx: typer.Context, rule: Rule, *, as_json: show.AsJson = False) -> None:
    """Count who would be in a segment with this rule; nothing is saved."""
    body = _given(rule)
    answer = _api(ctx).post("/v1/segments/preview", body)
    if as_json:
        show.data(answer)
        return
    show.line(_counted(answer))
    parts = [{**one, "part": f"{'  ' * one['depth']}{one['text']}"} for one in answer["parts"]]
    show.rows(parts, ["count", "left", "part"])
    reach = [f"{count} by {channel}" for channel, count in answer["reach"].items() if count]
    show.line(f"A promotion may be sent to {', '.join(reach) or 'nobody'}.")
    show.rows(answer["people"], ["id", "reason"])
    for hint in answer["hints"]:
        show.line(f"Look at {hint['path']}: {hint['message']}.")


def _counted(answer: dict[str, Any]) -> str:
    """How many people a rule fits, and how well that is known."""
    if not answer["estimate"]:
        return f"{answer['count']} of {answer['of']} people."
    within = answer["interval"]
    between = f"between {within['low']} and {within['high']}" if within else "nobody knows how many"
    why = f"Counting all took too long: this is by {answer['sampled']} of them, drawn by chance."
    if answer["count"] is None:
        return f"No one could be judged in time: {between}. Create the segment, it is built."
    return f"about {answer['count']} of {answer['of']} people (95 %: {between}). {why}"


@app.command()
def versions(
    ctx: typer.Context,
    segment: Segment,
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what a segment was, the newest version first."""
    api = _api(ctx)
    path = f"{path_of(find(api, segment)['id'])}/versions"
    answer = api.get(path, limit=limit, cursor=cursor)
    columns = ["version", "name", "active", "created_at", "created_by", "text"]
    show.page(answer, columns, as_json=as_json)


@app.command()
def diff(
    ctx: typer.Context,
    segment: Segment,
    version: Annotated[int, typer.Argument(help="The newer version.")],
    *,
    against: Annotated[
        int | None, typer.Option(help="The other one; the one before, if not given.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show what is otherwise in a version than in another one."""
    api = _api(ctx)
    path = f"{path_of(find(api, segment)['id'])}/versions/{version}/diff"
    answer = api.get(path, against=against)
    if as_json:
        show.data(answer)
        return
    for name in ("name", "active", "text"):
        if answer[name] != answer[f"{name}_against"]:
            show.line(f"{name}: {answer[f'{name}_against']} -> {answer[name]}")
    for sign, lines in (("-", answer["removed"]), ("+", answer["added"])):
        for one in lines:
            show.line(f"{sign} {one}")


@app.command()
def rollback(
    ctx: typer.Context,
    segment: Segment,
    version: Annotated[int, typer.Argument(help="Whose rule it shall have again.")],
    *,
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Give a segment the rule of a former version again, as a new version."""
    api = _api(ctx)
    answer = api.post(f"{path_of(find(api, segment)['id'])}/rollback", {"version": version})
    _told(api, answer, wait=wait, as_json=as_json)


@app.command()
def sizes(
    ctx: typer.Context,
    segment: Segment,
    *,
    days: Annotated[
        int, typer.Option(min=1, max=1000, help="So many days of UTC, up to today.")
    ] = 30,
    as_json: show.AsJson = False,
) -> None:
    """Show how many were in a segment day by day, and who came and went."""
    api = _api(ctx)
    until = datetime.now(UTC).date() + timedelta(days=1)
    since = until - timedelta(days=days)
    path = f"{path_of(find(api, segment)['id'])}/sizes"
    answer = api.get(path, since=since.isoformat(), until=until.isoformat())
    if as_json:
        show.data(answer)
        return
    show.rows(answer["days"], ["day", "size", "entered", "exited"])


@app.command()
def members(
    ctx: typer.Context,
    segment: Segment,
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_of: AsOf = None,
    as_json: show.AsJson = False,
) -> None:
    """List who is in a segment, or was at an instant, since when and why."""
    api = _api(ctx)
    path = f"{path_of(find(api, segment)['id'])}/members"
    answer = api.get(path, limit=limit, cursor=cursor, as_of=as_of)
    show.page(answer, ["id", "entered_at", "reason"], empty="Nobody.", as_json=as_json)


@app.command()
def why(
    ctx: typer.Context,
    segment: Segment,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    as_of: AsOf = None,
    as_json: show.AsJson = False,
) -> None:
    """Tell why a person is in a segment, or why not; now, or at an instant that may be to come."""
    api = _api(ctx)
    person = profiles.id_of(show.session(ctx).api("profile"), kind, value)
    answer = api.get(f"{path_of(find(api, segment)['id'])}/members/{person}", as_of=as_of)
    if as_json:
        show.data(answer)
        return
    told = ("member", "fits", "changes_at", "entered_at", "left_at", "reason", "segment_version")
    show.pairs({key: answer[key] for key in told})
    columns = ["path", "subject", "op", "wanted", "actual", "result", "until"]
    show.rows(answer["explanation"], columns)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("segment")


def path_of(segment_id: str) -> str:
    return f"/v1/segments/{quote(segment_id, safe='')}"


def _given(rule: str) -> dict[str, Any]:
    """Return a rule as the API takes it: a line, or what is or says where a document is."""
    is_line = not rule.lstrip().startswith(("{", "[", "@")) and rule.strip() != "-"
    return {"text": rule} if is_line else {"rule": documents.read(rule, "rule")}


def _written(rule: dict[str, Any]) -> str:
    """Return a rule as it can be given to another segment."""
    return json.dumps(rule, ensure_ascii=False)


def find(api: Api, segment: str) -> dict[str, Any]:
    """Return the segment with this id or name; raises `not_found`."""
    try:
        return api.get(path_of(str(UUID(segment))))
    except ValueError:
        pass
    cursor: str | None = None
    while True:
        page = api.get("/v1/segments", limit=1000, cursor=cursor)
        for one in page["items"]:
            if one["name"] == segment:
                return dict(one)
        if (cursor := page["next"]) is None:
            message = f"There is no segment '{segment}'. `rapport segment list` shows them."
            raise CliError("not_found", message)


def _told(
    api: Api, answer: dict[str, Any], *, wait: bool, as_json: bool, id_only: bool = False
) -> None:
    if wait and answer["job_id"]:
        jobs.watch(api, answer["job_id"], quiet=as_json or id_only)
        answer = api.get(path_of(answer["id"]))
    told = (
        f"Segment {answer['id']} '{answer['name']}' is {answer['status']} and has "
        f"{answer['members']} members."
    )
    if answer["upcoming"]:
        told = f"{told} Another rule is {answer['upcoming']['status']}: `rapport job list`."
    show.made(answer, told, as_json=as_json, id_only=id_only)
