"""`rapport event`: where is my event."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show


def event(
    ctx: typer.Context,
    message_id: Annotated[str, typer.Argument(help="The id the sender gave, or got back.")],
    *,
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    since: Annotated[str | None, typer.Option(help="An instant; default: an hour ago.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say what became of an event: accepted, waiting in the spool, or rejected and why."""
    path = f"/v1/events/{quote(message_id, safe='')}"
    found = show.session(ctx).api("ingest").get(path, source=source, since=since)
    if as_json:
        show.data(found)
    else:
        show.pairs({key: value for key, value in found.items() if value is not None})
