"""`rapport segment rfm`: recency, frequency and monetary scores of all customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import documents, jobs, show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="RFM: scores of all customers, and tiers.", no_args_is_help=True)
Wait = Annotated[bool, typer.Option(help="Until all scores are worked out.")]


@app.command("show")
def show_rfm(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show what RFM is worked out of, and how many people are in each tier."""
    _told(_api(ctx).get("/v1/rfm"), as_json=as_json)


@app.command("set")
def set_rfm(
    ctx: typer.Context,
    rules: Annotated[str, typer.Argument(help="JSON; @FILE, or - for standard input.")],
    *,
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Say what RFM is worked out of; that is done at once, and again and again."""
    api = _api(ctx)
    answer = api.put("/v1/rfm", documents.read(rules, "rules"))
    if wait:
        jobs.watch(api, answer["job_id"], quiet=as_json)
        answer = api.get("/v1/rfm")
    _told(answer, as_json=as_json)


@app.command()
def run(ctx: typer.Context, *, wait: Wait = False, as_json: show.AsJson = False) -> None:
    """Work RFM out now."""
    api = _api(ctx)
    job = api.post("/v1/rfm/run")
    if wait:
        job = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(job)
    else:
        show.line(f"Job {job['id']} is {job['state']}.")


@app.command()
def adopt(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Make a segment of each tier that has none yet."""
    answer = _api(ctx).post("/v1/rfm/adopt")
    if as_json:
        show.data(answer)
    else:
        show.rows(answer["added"], ["id", "name"], empty="Each tier has its segment already.")


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("segment")


def _told(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.pairs(answer)
