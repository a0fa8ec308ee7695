"""`rapport quality`: how good what each source says of people is."""

from __future__ import annotations

from typing import Any

import typer

from rapport_cli import jobs, show

app = typer.Typer(help="What each source says of people, and how good it is.", no_args_is_help=True)
COLUMNS = [
    "source",
    "people",
    "in_pairs",
    "field",
    "filled",
    "valid",
    "fresh",
    "recent",
    "newest_at",
]


@app.command()
def measure(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Look at everybody, wait for the end, and show what was measured."""
    api = show.session(ctx).api("profile")
    job = api.post("/v1/quality/measure", {})
    jobs.watch(api, job["id"], quiet=as_json)
    _print(api.get("/v1/quality"), as_json=as_json)


@app.command("show")
def show_quality(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show what the last measurement has found."""
    _print(show.session(ctx).api("profile").get("/v1/quality"), as_json=as_json)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(found)
        return
    show.pairs({"measured at": found["measured_at"], "people": found["people"]})
    rows = [
        {**source, **field}
        for source in found["sources"]
        for field in source["fields"] or [{"field": "none that is known"}]
    ]
    show.rows(rows, COLUMNS, empty="No source says anything of people.")
