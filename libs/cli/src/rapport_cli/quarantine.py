"""`rapport quarantine`: what was refused and why, repair, export, discard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import changes, jobs, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapport_cli.client import Api

app = typer.Typer(help="Events that were not accepted.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option(help="Only from this source.")]
Code = Annotated[str | None, typer.Option(help="Only refused with this code.")]
At = Annotated[str | None, typer.Option(help="Only refused for this field.")]
MessageId = Annotated[str | None, typer.Option(help="Only with this message id.")]
Since = Annotated[str | None, typer.Option(help="Received at this instant or later.")]
Until = Annotated[str | None, typer.Option(help="Received before this instant.")]
State = Annotated[str, typer.Option(help="open, resolved or all.")]
Ids = Annotated[list[int] | None, typer.Option("--id", help="Only these rows; repeatable.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")]
Rate = Annotated[int | None, typer.Option(help="Events per second at most.", min=1)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
PAGE = 500


@app.command("list")
def list_rows(
    ctx: typer.Context,
    *,
    source: Source = None,
    code: Code = None,
    path: At = None,
    message_id: MessageId = None,
    since: Since = None,
    until: Until = None,
    state: State = "open",
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the newest events that were not accepted."""
    answer = (
        show.session(ctx)
        .api("ingest")
        .get(
            "/v1/quarantine",
            **chosen(
                source=source, code=code, path=path, message_id=message_id, since=since, until=until
            ),
            state=state,
            limit=limit,
            cursor=cursor,
        )
    )
    columns = ["id", "source", "message_id", "received_at", "code", "path", "message", "resolution"]
    show.page(answer, columns, empty="Nothing is in quarantine.", as_json=as_json)


@app.command("show")
def show_row(
    ctx: typer.Context,
    row: Annotated[int, typer.Argument(help="The row's id, from the list.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Show one event that was not accepted, whole."""
    found = show.session(ctx).api("ingest").get(f"/v1/quarantine/{row}")
    if as_json:
        show.data(found)
    else:
        show.pairs({key: value for key, value in found.items() if value is not None})


@app.command()
def summary(
    ctx: typer.Context,
    *,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    state: State = "open",
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """Say how many were refused for which reason, the most frequent first."""
    asked = {"source": source, "since": since, "until": until, "state": state}
    api = show.session(ctx).api("ingest")
    answer = api.get("/v1/quarantine/summary", **asked, limit=limit, cursor=cursor)
    if as_json:
        show.data(answer)
        return
    groups = [
        {**one, "example": one["example"]["id"], "message": one["example"]["message"]}
        for one in answer["items"]
    ]
    columns = ["rows", "source", "code", "path", "message", "last_at", "example"]
    show.rows(groups, columns, empty="Nothing is in quarantine.")
    show.more(answer)


@app.command()
def balance(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """Account for what was refused: rejected = open + replayed + discarded + expired."""
    api = show.session(ctx).api("ingest")
    answer = api.get("/v1/quarantine/balance", limit=limit, cursor=cursor)
    columns = ["source", "rejected", "open", "replayed", "discarded", "expired"]
    show.page(answer, columns, empty="Nothing was ever received.", as_json=as_json)


@app.command()
def export(
    ctx: typer.Context,
    *,
    source: Source = None,
    code: Code = None,
    path: At = None,
    message_id: MessageId = None,
    since: Since = None,
    until: Until = None,
    state: State = "open",
    events: Annotated[
        bool, typer.Option("--events", help="Only the events, as `rapport replay file` takes them.")
    ] = False,
) -> None:
    """Print JSON Lines, newest first: each row with its reason, or the events alone."""
    api = show.session(ctx).api("ingest")
    query = chosen(
        source=source, code=code, path=path, message_id=message_id, since=since, until=until
    )
    for row in pages(api, {**query, "state": state}):
        line = event_of(row) if events else row
        if line is not None:
            typer.echo(json.dumps(line, ensure_ascii=False))


def pages(api: Api, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All rows, page by page."""
    cursor: str | None = None
    while True:
        answer = api.get("/v1/quarantine", **query, cursor=cursor, limit=PAGE)
        yield from answer["items"]
        cursor = answer["next"]
        if cursor is None:
            return


def event_of(row: dict[str, Any]) -> dict[str, Any] | None:
    """The event with the id and the type it was answered with; None where it can't be read."""
    try:
        event = json.loads(row["body"])
    except ValueError:
        return None
    if row["truncated"] or not isinstance(event, dict):
        return None
    named = {"messageId": row["message_id"]} | ({"type": row["type"]} if row["type"] else {})
    return {**named, **event}


@app.command()
def discard(
    ctx: typer.Context,
    *,
    source: Source = None,
    code: Code = None,
    path: At = None,
    message_id: MessageId = None,
    since: Since = None,
    until: Until = None,
    ids: Ids = None,
    yes: Yes = False,
    as_json: show.AsJson = False,
) -> None:
    """Resolve events as not wanted; they stay visible until they expire."""
    selection = chosen(
        source=source,
        code=code,
        path=path,
        message_id=message_id,
        since=since,
        until=until,
        ids=ids,
    )
    asked = ", ".join(f"{key} {value}" for key, value in selection.items()) or "nothing named"
    if not yes:
        typer.confirm(f"Discard what is refused ({asked})?", abort=True)
    api, total, more = show.session(ctx).api("ingest"), 0, True
    while more:
        answer = api.post("/v1/quarantine/discard", {"selection": selection})
        total, more = total + answer["discarded"], answer["more"]
    show.made({"discarded": total}, f"{total:,} discarded.", as_json=as_json)


@app.command()
def repair(
    ctx: typer.Context,
    *,
    source: Source = None,
    code: Code = None,
    path: At = None,
    message_id: MessageId = None,
    since: Since = None,
    until: Until = None,
    ids: Ids = None,
    file: changes.Map = None,
    rename: changes.Rename = None,
    default: changes.Default = None,
    cast: changes.Cast = None,
    hashed: Annotated[list[str] | None, typer.Option("--hash", help="PATH to hash.")] = None,
    drop: changes.Drop = None,
    event: changes.For = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Replay refused events with changes, or as they are, and follow the job to its end."""
    body = {
        "selection": chosen(
            source=source,
            code=code,
            path=path,
            message_id=message_id,
            since=since,
            until=until,
            ids=ids,
        ),
        "transforms": changes.changes(
            file,
            rename=rename,
            default=default,
            cast=cast,
            hashed=hashed,
            drop=drop,
            event=event,
        ),
        **({} if rate is None else {"rate": rate}),
    }
    api = show.session(ctx).api("ingest")
    if dry_run:
        _tried(api.post("/v1/quarantine/repair?dry_run=true", body), as_json=as_json)
        return
    found = jobs.watch(api, api.post("/v1/quarantine/repair", body)["id"], quiet=as_json)
    (show.data if as_json else jobs.report)(found)


def _tried(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
        return
    shown = ("matched", "judged", "would_pass", "still_rejected", "skipped")
    show.pairs({key: answer[key] for key in shown})
    jobs.tell_beyond_repair(answer["skipped"])
    if answer["failures"]:
        show.line("\nThe first that would still be refused:")
        show.rows(answer["failures"], ["id", "message_id", "code", "path", "message"])
    for one in answer["examples"]:
        show.line(f"\n{one['message_id']} before: {json.dumps(one['before'], ensure_ascii=False)}")
        show.line(f"{one['message_id']} after:  {json.dumps(one['after'], ensure_ascii=False)}")


def chosen(**asked: Any) -> dict[str, Any]:
    """The selection, without what is not asked for."""
    return {key: value for key, value in asked.items() if value not in (None, [])}
