"""`rapport webhook` (entries and exits), `rapport outcome-webhook` (what became of messages) and
`rapport feedback-webhook` (answers and cases).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import show
from rapport_cli.segments import find
from rapport_cli.webhook_commands import Active, NewUrl, Url, Webhook, WebhookGroup

if TYPE_CHECKING:
    from rapport_cli.client import Api

_SEGMENTS = WebhookGroup("segment", "profile_id", "Webhooks: entries and exits, posted.")
_OUTCOMES = WebhookGroup("campaign", "message_id", "Webhooks: what became of messages, posted.")
_FEEDBACK = WebhookGroup("feedback", "subject_id", "Webhooks: answers and cases, posted.")
app, outcomes, feedback = _SEGMENTS.app, _OUTCOMES.app, _FEEDBACK.app
Segments = Annotated[
    list[str] | None,
    typer.Option("--segment", help="Only of this segment (id or name); several times."),
]
AllSegments = Annotated[bool, typer.Option("--all-segments", help="Of all segments.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="Only of this, as bounced or opened; several times."),
]
Every = Annotated[
    bool | None,
    typer.Option("--all/--transactional", help="Of messages of campaigns, too, or not."),
]


@app.command()
def create(
    ctx: typer.Context,
    url: Url,
    *,
    segment: Segments = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a webhook; its secret is printed this once."""
    wanted = {"segment_ids": _ids(_SEGMENTS.api(ctx), segment)} if segment else {}
    _SEGMENTS.made(ctx, {"url": url, **wanted}, as_json=as_json, id_only=id_only)


@app.command("set")
def set_webhook(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    url: NewUrl = None,
    segment: Segments = None,
    every: AllSegments = False,
    active: Active = None,
    as_json: show.AsJson = False,
) -> None:
    """Change a webhook."""
    ids = _ids(_SEGMENTS.api(ctx), segment) if segment else None
    body = {"url": url, "active": active, "segment_ids": ... if every else ids}
    _SEGMENTS.changed(ctx, webhook, body, "--segment, --all-segments", as_json=as_json)


@outcomes.command("create")
def create_outcome(
    ctx: typer.Context,
    url: Url,
    *,
    event: Events = None,
    every: Every = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a webhook; its secret is printed this once."""
    wanted = {key: value for key, value in _outcomes(event, every=every).items() if value}
    _OUTCOMES.made(ctx, {"url": url, **wanted}, as_json=as_json, id_only=id_only)


@outcomes.command("set")
def set_outcome(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    url: NewUrl = None,
    event: Events = None,
    every: Every = None,
    active: Active = None,
    as_json: show.AsJson = False,
) -> None:
    """Change a webhook."""
    body = {"url": url, "active": active, **_outcomes(event, every=every)}
    _OUTCOMES.changed(ctx, webhook, body, "--event, --all", as_json=as_json)


@feedback.command("create")
def create_feedback(
    ctx: typer.Context,
    url: Url,
    *,
    event: Events = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a webhook; its secret is printed this once."""
    wanted = {"events": event} if event else {}
    _FEEDBACK.made(ctx, {"url": url, **wanted}, as_json=as_json, id_only=id_only)


@feedback.command("set")
def set_feedback(
    ctx: typer.Context,
    webhook: Webhook,
    *,
    url: NewUrl = None,
    event: Events = None,
    active: Active = None,
    as_json: show.AsJson = False,
) -> None:
    """Change a webhook."""
    body = {"url": url, "active": active, "events": event or None}
    _FEEDBACK.changed(ctx, webhook, body, "--event", as_json=as_json)


def _ids(api: Api, segments: list[str]) -> list[str]:
    return [find(api, one)["id"] for one in segments]


def _outcomes(events: list[str] | None, *, every: bool | None) -> dict[str, Any]:
    scope = None if every is None else "all" if every else "transactional"
    return {"events": events or None, "scope": scope}
