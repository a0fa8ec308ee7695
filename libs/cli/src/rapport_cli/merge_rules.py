"""`rapport merge-rules`: which identifiers make two records one person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rapport_cli import documents, jobs, show
from rapport_cli.errors import CliError

app = typer.Typer(help="Which identifiers join people, and how many one has.", no_args_is_help=True)
PATH = "/v1/merge-rules"
PARTS = ("order", "kinds", "blocked")
COLUMNS = ["version", "created_at", "actor", "reason"]
DIFFERENCES = ("identifiers", "links", "moved_events", "profiles", "computed", "joined", "changed")
File = Annotated[str, typer.Argument(help='{"order": […], "kinds": {…}, "blocked": {…}}, or - .')]
Wait = Annotated[bool, typer.Option(help="Until everybody has been worked out anew.")]


@app.command("show")
def show_rules(ctx: typer.Context) -> None:
    """Print the rules that hold, as a file that can be changed and set again."""
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


@app.command()
def preview(ctx: typer.Context, file: File, *, as_json: show.AsJson = False) -> None:
    """Look what the rules in a file would change for those who are known; nothing is changed."""
    api = show.session(ctx).api("profile")
    job = api.post(f"{PATH}/preview", _rules(file))
    done = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(done)
    else:
        print_differences(done)


@app.command("set")
def set_rules(
    ctx: typer.Context,
    file: File,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the rules.")],
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Let the rules in a file hold from now on; a job brings everybody under them."""
    api = show.session(ctx).api("profile")
    given = documents.read(file if file == "-" else f"@{file}", "rules")
    # A file that was printed by `show` says which rules it comes from: nobody's are written over.
    version = given.get("version")
    known = api.get(PATH)["version"] if version is None else version
    answer = api.put(PATH, {**_parts(given), "version": known, "reason": reason})
    job = jobs.watch(api, answer["job_id"], quiet=as_json) if wait else None
    if as_json:
        show.data(answer)
        return
    show.line(f"Version {answer['version']} holds.")
    if job is not None:
        print_differences(job)
    else:
        again = f"rapport job show --wait --service profile {answer['job_id']}"
        show.line(f"A job brings everybody under it: `{again}` shows how far it is.")


def print_differences(job: dict[str, Any]) -> None:
    """Print what a job found that works everybody out anew."""
    report = job.get("report") or {}
    show.pairs(
        {
            "identifiers looked at": job["done"],
            **{name.replace("_", " "): report.get(name, 0) for name in DIFFERENCES},
        }
    )


def _rules(file: str) -> dict[str, Any]:
    return _parts(documents.read(file if file == "-" else f"@{file}", "rules"))


def _parts(given: dict[str, Any]) -> dict[str, Any]:
    """The rules themselves; who set them last, and when, is not sent back."""
    unknown = given.keys() - {*PARTS, *COLUMNS}
    if unknown:
        message = f"Rules have `order`, `kinds` and `blocked`, and no {', '.join(sorted(unknown))}."
        raise CliError("bad_rules", message)
    return {part: given[part] for part in PARTS if part in given}
