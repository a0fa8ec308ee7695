"""`rapport plan`: tracking plans from a file, and what breaks them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show

app = typer.Typer(help="Tracking plans of sources, and what breaks them.", no_args_is_help=True)
Source = Annotated[str, typer.Option(help="The source's id.")]


@app.command()
def push(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help='{"events": [{type, name, schema}]}, or - .')],
    *,
    source: Source,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare and test only.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Make the file the source's whole plan; a dry run ends with 1 when known events break it."""
    plan = documents.read(file if file == "-" else f"@{file}", "plan")
    api = show.session(ctx).api("ingest")
    path = _path(source)
    answer = api.post(f"{path}/check", plan) if dry_run else api.put(path, plan)
    if as_json:
        show.data(answer)
    else:
        _print(answer, dry_run=dry_run)
    if answer.get("broken"):
        raise typer.Exit(1)


@app.command("show")
def show_plan(ctx: typer.Context, *, source: Source) -> None:
    """Print the source's plan as a file that can be pushed again."""
    show.data(show.session(ctx).api("ingest").get(_path(source)))


@app.command()
def archive(ctx: typer.Context, *, source: Source, as_json: show.AsJson = False) -> None:
    """Take the source's plan away: all its events are unplanned then."""
    show.session(ctx).api("ingest").delete(_path(source))
    answer = {"id": source, "archived": True}
    show.made(answer, f"The plan of {source} is taken away.", as_json=as_json)


@app.command()
def draft(ctx: typer.Context, *, source: Source) -> None:
    """Print a plan drafted from the events that came."""
    show.data(show.session(ctx).api("ingest").post(f"{_path(source)}/draft"))


@app.command()
def violations(
    ctx: typer.Context,
    *,
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    event: Annotated[str | None, typer.Option(help="Only of events of this name.")] = None,
    since: Annotated[str | None, typer.Option(help="Only seen since this instant.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what events broke, by field and rule, the latest first."""
    asked = {"source": source, "event": event, "since": since}
    api = show.session(ctx).api("ingest")
    answer = api.get("/v1/violations", **asked, limit=limit, cursor=cursor)
    columns = ["source", "name", "path", "rule", "events", "last_at", "message", "message_id"]
    show.page(answer, columns, empty="Nothing was broken.", as_json=as_json)


def _path(source: str) -> str:
    return f"/v1/sources/{quote(source, safe='')}/plan"


def _print(answer: dict[str, Any], *, dry_run: bool) -> None:
    changes = [(verb, one) for verb in ("added", "changed", "removed") for one in answer[verb]]
    for verb, one in changes:
        what = " ".join(filter(None, (one["type"], one["name"], one["version"])))
        show.line(f"would be {verb}: {what}" if dry_run else f"{verb}: {what}")
    if dry_run:
        show.line("Dry run: the plan is as it was.")
    elif not changes:
        show.line("No change.")
    for one in answer.get("broken", []):
        for each in one["violations"]:
            show.line(f"broken: {one['type']} {one['name']}: {each['path']}: {each['message']}")
    for one in answer.get("unplanned", []):
        show.line(f"unplanned: {one['type']} {one['name']} ({one['events']} events)")
