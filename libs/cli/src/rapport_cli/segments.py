"""`rapport segment`: rules, and who they hold for."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import documents, show

app = typer.Typer(help="Segments: rules and their members.", no_args_is_help=True)
Rule = Annotated[str, typer.Argument(help="JSON, @FILE, or - for standard input.")]
SegmentId = Annotated[str, typer.Argument(help="The segment's id.")]


@app.command("list")
def list_segments(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """List the workspace's segments."""
    answer = show.session(ctx).api("segment").get("/v1/segments")
    if as_json:
        show.data(answer)
        return
    columns = ["id", "name", "version", "members"]
    show.rows(answer["segments"], columns, empty="There is no segment yet.")


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    rule: Rule,
    *,
    as_json: show.AsJson = False,
) -> None:
    """Create a segment; whoever fits is in it at once."""
    body = {"name": name, "rule": documents.read(rule, "rule")}
    created = show.session(ctx).api("segment").post("/v1/segments", body)
    if as_json:
        show.data(created)
        return
    show.line(f"Segment {created['id']} '{name}' has {created['members']} members.")


@app.command()
def preview(ctx: typer.Context, rule: Rule, *, as_json: show.AsJson = False) -> None:
    """Count who would be in a segment with this rule; nothing is saved."""
    body = {"rule": documents.read(rule, "rule")}
    answer = show.session(ctx).api("segment").post("/v1/segments/preview", body)
    if as_json:
        show.data(answer)
        return
    show.line(f"{answer['count']} of {answer['of']} people.")


@app.command()
def members(
    ctx: typer.Context,
    segment_id: SegmentId,
    *,
    limit: show.Limit = 20,
    after: Annotated[str | None, typer.Option(help="Go on after this profile id.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """List who is in a segment, since when and why."""
    api = show.session(ctx).api("segment")
    answer = api.get(f"/v1/segments/{segment_id}/members", limit=limit, after=after)
    if as_json:
        show.data(answer)
        return
    show.rows(answer["members"], ["profile_id", "since", "reason"], empty="Nobody.")
