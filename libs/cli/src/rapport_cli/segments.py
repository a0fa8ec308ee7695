"""`rapport segment`: rules, and who they hold for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

import typer

from rapport_cli import documents, jobs, profiles, rfm, show
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
app.add_typer(rfm.app, name="rfm")
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
    wait: Wait = False,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Create a segment, in force at once; who fits already enters as it is built."""
    body = {"name": name, **_given(rule)}
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
    """Change a segment; the difference enters and leaves as it is built."""
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
    show.line(f"{answer['count']} of {answer['of']} people.")


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
def members(
    ctx: typer.Context,
    segment: Segment,
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List who is in a segment, since when and why."""
    api = _api(ctx)
    path = f"{path_of(find(api, segment)['id'])}/members"
    answer = api.get(path, limit=limit, cursor=cursor)
    show.page(answer, ["id", "entered_at", "reason"], empty="Nobody.", as_json=as_json)


@app.command()
def why(
    ctx: typer.Context,
    segment: Segment,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Tell why a person is in a segment, or why not."""
    api = _api(ctx)
    person = profiles.id_of(show.session(ctx).api("profile"), kind, value)
    answer = api.get(f"{path_of(find(api, segment)['id'])}/members/{person}")
    if as_json:
        show.data(answer)
        return
    show.pairs({key: answer[key] for key in ("member", "entered_at", "left_at", "reason")})
    columns = ["path", "subject", "op", "wanted", "actual", "result"]
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
    show.made(answer, told, as_json=as_json, id_only=id_only)
