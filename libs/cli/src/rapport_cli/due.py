"""`rapport due`: what waits for its time, and what was put aside because it keeps failing."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

app = typer.Typer(help="What has a time: clocks, repeats.", no_args_is_help=True)

Service = Annotated[str, typer.Option(help="Whose: profile, segment or feedback.")]
OfKind = Annotated[str | None, typer.Option(help="Only of this kind.")]
Kind = Annotated[str | None, typer.Argument(help="Its kind.")]
Key = Annotated[str | None, typer.Argument(help="Its key.")]
COLUMNS = ["kind", "key", "at", "try_at", "failed_at", "attempts", "error"]


@app.command("list")
def list_due(
    ctx: typer.Context,
    *,
    service: Service,
    failed: Annotated[bool, typer.Option("--failed", help="What was put aside.")] = False,
    kind: OfKind = None,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    installation: show.Installation = False,
    as_json: show.AsJson = False,
) -> None:
    """List what waits for its time, the earliest first; or what was put aside, with the reason."""
    api = show.session(ctx).api(service, installation=installation)
    state = "failed" if failed else "waiting"
    answer = api.get("/v1/due", state=state, kind=kind, limit=limit, cursor=cursor)
    columns = ["workspace", *COLUMNS] if installation else COLUMNS
    show.page(
        answer,
        columns,
        empty="Nothing was put aside." if failed else "Nothing waits.",
        as_json=as_json,
    )


@app.command()
def retry(
    ctx: typer.Context,
    kind: Kind = None,
    key: Key = None,
    *,
    service: Service,
    everything: Annotated[bool, typer.Option("--all", help="All, or all of a kind.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Try what was put aside again, now: one by its kind and key, or all of them."""
    if everything == (key is not None) or (kind is None and not everything):
        raise CliError("bad_usage", "Give a kind and a key, or --all with a kind or without.")
    api = show.session(ctx).api(service)
    if not everything:
        answer = api.post(f"{_path(kind, key)}/retry")
        show.made(answer, f"{kind} {key} is tried again.", as_json=as_json)
        return
    retried, more = 0, True
    chosen = f"?kind={quote(kind, safe='')}" if kind else ""
    while more:
        answer = api.post(f"/v1/due/retry{chosen}")
        retried, more = retried + answer["retried"], answer["more"]
    if as_json:
        show.data({"retried": retried})
    else:
        show.line(f"{retried} are tried again.")


@app.command()
def discard(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help="Its kind.")],
    key: Annotated[str, typer.Argument(help="Its key.")],
    *,
    service: Service,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Forget what was put aside: what it was for will not happen."""
    if not yes:
        typer.confirm(f"What {kind} {key} was for will not happen. Sure?", abort=True)
    answer = show.session(ctx).api(service).post(f"{_path(kind, key)}/discard")
    show.made(answer, f"{kind} {key} is discarded.", as_json=as_json)


def _path(kind: str | None, key: str | None) -> str:
    return f"/v1/due/{quote(kind or '', safe='')}/{quote(key or '', safe='')}"
