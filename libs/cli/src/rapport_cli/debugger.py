"""`rapport debug`: a source's events with their verdicts, as they come in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOURS = {"accepted": "green", "rejected": "red", "tested": "cyan"}
NOTES = {
    "ready": "Watching. Events appear within a second; Ctrl-C ends.",
    "interrupted": "The connection to Postgres is lost; events may be missing until it is back.",
    "end": "The process is stopping. Run the command again.",
}


def debug(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="The source's id.")],
    *,
    limit: Annotated[int | None, typer.Option(help="End after so many events.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show a source's events with their verdicts, as they come in."""
    api = show.session(ctx).api("ingest")
    shown = 0
    for name, data in messages(api.lines(f"/v1/sources/{quote(source, safe='')}/live")):
        if name == "event":
            shown += 1
            _print(data, as_json=as_json)
        elif name == "dropped":
            show.note(f"{data['events']} more events were not shown: too many at once.")
        elif name in NOTES:
            show.note(NOTES[name])
        if name == "end" or shown == limit:
            return
    message = "The stream ended before its time. Run the command again."
    raise CliError("stream_ended", message)


def messages(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Yield (name, data) of server-sent events (WHATWG HTML, section 9.2); comments are left out.

    The server sends each event's data in one line of JSON.
    """
    name, data = "", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line and data:
            yield name, json.loads(data)
            name, data = "", ""


def _print(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(event, ensure_ascii=False))
        return
    what = " ".join(filter(None, [event.get("type"), event.get("name")]))
    who = event.get("user_id") or event.get("anonymous_id") or "–"
    line = Text(f"{event['received_at'][11:19]} ")
    line.append(event["status"], style=COLOURS.get(event["status"], ""))
    line.append(f" {what or '–'}  user {who}  id {event['message_id']}")
    if event.get("code"):
        where = f"{event['path']}: " if event.get("path") else ""
        line.append(f"\n         {event['code']}: {where}{event.get('message')}")
        line.append(f"\n         {event['body']}{'…' if event['truncated'] else ''}", style="dim")
    show.console.print(line)
