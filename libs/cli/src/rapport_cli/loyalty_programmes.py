"""`rapport loyalty programme`: the rules by which points are earned, as data, and since when."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import documents, jobs, show

app = typer.Typer(help="The programme's rules.", no_args_is_help=True)
PATH = "/v1/loyalty/programme"
COLUMNS = ["version", "begins_at", "created_at", "actor", "reason"]
File = Annotated[str, typer.Argument(help='{"name": "Club", "rules": [...]}, or - .')]


@app.command("show")
def show_programme(ctx: typer.Context) -> None:
    """Print the programme that was declared last, as a file that can be changed and set again."""
    show.data(show.session(ctx).api("profile").get(PATH))


@app.command()
def history(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = show.session(ctx).api("profile").get(f"{PATH}/history", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("set")
def set_programme(
    ctx: typer.Context,
    file: File,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the programme.")],
    since: Annotated[
        str | None, typer.Option(help="It holds from then on (RFC 3339); not given: from now on.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Let the programme in a file hold."""
    api = show.session(ctx).api("profile")
    given = documents.read(file if file == "-" else f"@{file}", "programme")
    # A file that was printed by `show` says which version it comes from.
    version = given.get("version")
    known = api.get(PATH)["version"] if version is None else version
    body = {"programme": given.get("programme", given), "version": known, "reason": reason}
    answer = api.put(PATH, {**body, **({} if since is None else {"since": since})})
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")


@app.command()
def backfill(
    ctx: typer.Context,
    since: Annotated[str, typer.Argument(help="The time (RFC 3339), no later than now.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be; it waits for that.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Until all has been gone through.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Let what happened since a time earn points, though it was told before the programme was."""
    api = show.session(ctx).api("profile")
    body = {"since": since, "dry_run": dry_run, "reason": reason}
    job = api.post(f"{PATH}/backfill", body)
    if wait or dry_run:
        job = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(job)
    elif wait or dry_run:
        show.pairs(job["report"] or {})
    else:
        again = f"rapport job show --wait --service profile {job['id']}"
        show.line(f"A job goes through what is stored: `{again}` shows how far it is.")
