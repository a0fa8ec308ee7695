"""`rapport campaign`: what is being sent, and making, starting, holding and ending it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, profiles, show

app = typer.Typer(help="Campaigns: state, counts, messages, start and pause.", no_args_is_help=True)
CampaignId = Annotated[str, typer.Argument(help="The campaign's id.")]
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]
State = Annotated[str | None, typer.Option(help="planned, sent, failed, suppressed, uncertain.")]


@app.command("list")
def list_campaigns(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's campaigns, the newest first."""
    answer = (
        show.session(ctx)
        .api("campaign")
        .get("/v1/campaigns", archived=archived or None, limit=limit, cursor=cursor)
    )
    columns = ["id", "name", "state", "purpose", "segment_name", "reason"]
    show.page(answer, columns, empty="There is no campaign.", as_json=as_json)


@app.command("show")
def show_campaign(
    ctx: typer.Context, campaign_id: CampaignId, *, as_json: show.AsJson = False
) -> None:
    """Show a campaign and how many of its messages are in which state."""
    found = show.session(ctx).api("campaign").get(_path(campaign_id))
    if as_json:
        show.data(found)
    else:
        show.pairs({key: value for key, value in found.items() if key not in {"html", "text"}})


@app.command()
def create(
    ctx: typer.Context,
    document: Document,
    *,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a draft of a JSON object as POST /v1/campaigns takes it."""
    body = documents.read(document, "campaign")
    answer = show.session(ctx).api("campaign").post("/v1/campaigns", body)
    _told(answer, as_json=as_json, id_only=id_only)


@app.command("set")
def set_campaign(
    ctx: typer.Context, campaign_id: CampaignId, document: Document, *, as_json: show.AsJson = False
) -> None:
    """Change fields of a draft; what the JSON object leaves out stays."""
    body = documents.read(document, "change")
    answer = show.session(ctx).api("campaign").patch(_path(campaign_id), body)
    _told(answer, as_json=as_json)


@app.command()
def why(
    ctx: typer.Context,
    campaign_id: CampaignId,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Tell in a sentence why a person got a campaign, did not, or waits for it."""
    session = show.session(ctx)
    person = profiles.id_of(session.api("profile"), kind, value)
    path = f"/v1/people/{quote(person, safe='')}/why"
    _explained(session.api("campaign").get(path, campaign=campaign_id), as_json=as_json)


@app.command("why-message")
def why_message(
    ctx: typer.Context,
    send_key: Annotated[str, typer.Argument(help="The message's, as `messages --json` has it.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Tell in a sentence why one message was sent, was not, or waits."""
    path = f"/v1/messages/{quote(send_key, safe='')}/why"
    _explained(show.session(ctx).api("campaign").get(path), as_json=as_json)


@app.command()
def messages(
    ctx: typer.Context,
    campaign_id: CampaignId,
    *,
    state: State = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List a campaign's messages and why each is where it is, the newest first."""
    answer = (
        show.session(ctx)
        .api("campaign")
        .get(f"{_path(campaign_id)}/messages", state=state, limit=limit, cursor=cursor)
    )
    columns = ["profile_id", "to_address", "state", "reason", "planned_at", "sent_at", "test"]
    show.page(answer, columns, empty="There is no such message.", as_json=as_json)


@app.command()
def uncertain(
    ctx: typer.Context,
    *,
    campaign: Annotated[str | None, typer.Option(help="Of this campaign only.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List messages of which nobody knows whether they went out, the newest first."""
    answer = (
        show.session(ctx)
        .api("campaign")
        .get("/v1/uncertain", campaign_id=campaign, limit=limit, cursor=cursor)
    )
    columns = ["id", "to_address", "campaign_id", "planned_at", "reason"]
    show.page(answer, columns, empty="No message is uncertain.", as_json=as_json)


@app.command()
def settle(
    ctx: typer.Context,
    messages: Annotated[list[str] | None, typer.Argument(help="Ids of uncertain messages.")] = None,
    *,
    state: Annotated[str, typer.Option(help="sent, failed, or planned: send it once more.")],
    reason: Annotated[str, typer.Option(help="What you know it by, such as the server's log.")],
    campaign: Annotated[str | None, typer.Option(help="All of this campaign.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say what uncertain messages are. `planned` only for what has surely not gone out."""
    body: dict[str, Any] = {"state": state, "reason": reason}
    body |= {"campaign_id": campaign} if campaign else {}
    body |= {"ids": messages} if messages else {}
    answer = show.session(ctx).api("campaign").post("/v1/uncertain/settle", body)
    more = ": say it again for more" if answer["more"] else ""
    show.made(answer, f"{len(answer['ids'])} are {state} now{more}.", as_json=as_json)


@app.command()
def start(ctx: typer.Context, campaign_id: CampaignId, *, as_json: show.AsJson = False) -> None:
    """Start sending."""
    _step(ctx, campaign_id, "start", as_json=as_json)


@app.command()
def pause(ctx: typer.Context, campaign_id: CampaignId, *, as_json: show.AsJson = False) -> None:
    """Hold all sending; what is being handed over right now may still go out."""
    _step(ctx, campaign_id, "pause", as_json=as_json)


@app.command()
def resume(ctx: typer.Context, campaign_id: CampaignId, *, as_json: show.AsJson = False) -> None:
    """Go on sending."""
    _step(ctx, campaign_id, "resume", as_json=as_json)


@app.command()
def archive(ctx: typer.Context, campaign_id: CampaignId, *, as_json: show.AsJson = False) -> None:
    """End a campaign for good: nothing more is sent by it, and its ledger stays."""
    show.session(ctx).api("campaign").delete(_path(campaign_id))
    answer = {"id": campaign_id, "archived": True}
    show.made(answer, f"Campaign {campaign_id} is archived.", as_json=as_json)


@app.command("test")
def send_test(
    ctx: typer.Context,
    campaign_id: CampaignId,
    to: Annotated[str, typer.Argument(help="The address that gets it.")],
    *,
    profile_id: Annotated[str | None, typer.Option(help="As whose it is rendered.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Send one marked test mail; it counts nowhere."""
    body = {"to": to} | ({"profile_id": profile_id} if profile_id else {})
    answer = show.session(ctx).api("campaign").post(f"{_path(campaign_id)}/test", body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"A test mail to {answer['to_address']} is {answer['state']}.")


def _path(campaign_id: str) -> str:
    return f"/v1/campaigns/{quote(campaign_id, safe='')}"


def _step(ctx: typer.Context, campaign_id: str, verb: str, *, as_json: bool) -> None:
    answer = show.session(ctx).api("campaign").post(f"{_path(campaign_id)}/{verb}")
    _told(answer, as_json=as_json)


def _told(answer: dict[str, Any], *, as_json: bool, id_only: bool = False) -> None:
    told = f"Campaign {answer['id']} is {answer['state']}."
    show.made(answer, told, as_json=as_json, id_only=id_only)
    if not as_json and answer.get("reason"):
        show.note(answer["reason"])


def _explained(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.line(answer["sentence"])
