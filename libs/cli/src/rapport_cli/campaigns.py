"""`rapport campaign`: what is being sent, and starting and holding it."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import show

app = typer.Typer(help="Campaigns: state, counts, start and pause.", no_args_is_help=True)
CampaignId = Annotated[str, typer.Argument(help="The campaign's id.")]


@app.command("list")
def list_campaigns(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """List the workspace's campaigns."""
    answer = show.session(ctx).api("campaign").get("/v1/campaigns")
    if as_json:
        show.data(answer)
        return
    columns = ["id", "name", "state", "purpose", "segment_id"]
    show.rows(answer["items"], columns, empty="There is no campaign yet.")


@app.command("show")
def show_campaign(
    ctx: typer.Context, campaign_id: CampaignId, *, as_json: show.AsJson = False
) -> None:
    """Show a campaign and how many of its messages are in which state."""
    found = show.session(ctx).api("campaign").get(f"/v1/campaigns/{campaign_id}")
    if as_json:
        show.data(found)
    else:
        show.pairs({key: value for key, value in found.items() if key not in {"html", "text"}})


@app.command()
def start(ctx: typer.Context, campaign_id: CampaignId) -> None:
    """Start sending."""
    _tell(ctx, campaign_id, "start")


@app.command()
def pause(ctx: typer.Context, campaign_id: CampaignId) -> None:
    """Hold all sending; what is being handed over right now may still go out."""
    _tell(ctx, campaign_id, "pause")


@app.command()
def resume(ctx: typer.Context, campaign_id: CampaignId) -> None:
    """Go on sending."""
    _tell(ctx, campaign_id, "resume")


def _tell(ctx: typer.Context, campaign_id: str, verb: str) -> None:
    answer = show.session(ctx).api("campaign").post(f"/v1/campaigns/{campaign_id}/{verb}")
    show.line(f"Campaign {campaign_id} is {answer['state']}.")
