"""`rapport job`: long work, such as imports and builds: how far it is, and its end."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(
    help="Long work: imports, replays, builds of segments, republishing.", no_args_is_help=True
)
ENDED = frozenset({"done", "failed", "cancelled"})
POLL_SECONDS = 0.5
BEYOND_REPAIR = ("truncated", "invalid_json", "too_deep", "not_an_object")
"""Reasons of a replay for skipping a row that stay, whatever is changed."""
COLUMNS = ["id", "kind", "subject", "state", "done", "accepted", "rejected", "created_at"]
Service = Annotated[str, typer.Option(help="Whose: ingest, profile, segment …")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@app.command("list")
def list_jobs(
    ctx: typer.Context,
    *,
    kind: Annotated[str | None, typer.Option(help="Only these, such as import.")] = None,
    service: Service = "ingest",
    limit: show.Limit = 50,
    as_json: show.AsJson = False,
) -> None:
    """List the newest jobs."""
    answer = show.session(ctx).api(service).get("/v1/jobs", kind=kind, limit=limit)
    if as_json:
        show.data(answer)
        return
    show.rows(answer["items"], COLUMNS, empty="There is no job.")


@app.command("show")
def show_job(
    ctx: typer.Context,
    job: JobId,
    *,
    wait: Annotated[bool, typer.Option(help="Until the job has ended.")] = False,
    service: Service = "ingest",
    as_json: show.AsJson = False,
) -> None:
    """Show a job, its numbers and its first errors; exit code 1 when it failed or refused rows."""
    api = show.session(ctx).api(service)
    found = follow(api, job, quiet=as_json) if wait else api.get(path_of(job))
    end(found, as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context,
    job: JobId,
    *,
    service: Service = "ingest",
    as_json: show.AsJson = False,
) -> None:
    """End a job where it is; what it has done stays done."""
    found = show.session(ctx).api(service).post(f"{path_of(job)}/cancel")
    if as_json:
        show.data(found)
    else:
        show.line(f"Cancelled after {found['done']} items.")


def path_of(job: str) -> str:
    """Return the job's address."""
    return f"/v1/jobs/{quote(job, safe='')}"


def bar(*, quiet: bool) -> Progress:
    """Return a progress bar on standard error, for terminals only."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    hidden = quiet or not show.errors.is_terminal
    return Progress(*columns, TimeRemainingColumn(), console=show.errors, disable=hidden)


def follow(api: Api, job: str, *, quiet: bool) -> dict[str, Any]:
    """Wait for the end of a job with a progress bar; Ctrl-C leaves it running."""
    pause = Event()
    try:
        with bar(quiet=quiet) as progress:
            task = progress.add_task("waiting", total=None)
            while (found := api.get(path_of(job)))["state"] not in ENDED:
                measured = found.get("progress") or {}
                progress.update(
                    task,
                    description=f"{found['done']} rows" if found["done"] else found["state"],
                    # A replay knows how many there are, an import how large the file is.
                    completed=measured.get("bytes") or found["done"],
                    total=measured.get("total_bytes") or found.get("total"),
                )
                pause.wait(POLL_SECONDS)
            return found
    except KeyboardInterrupt:
        again = f"rapport job show --wait --service {api.service} {job}"
        show.errors.print(f"The job goes on: `{again}` shows how far it is.")
        raise


def watch(api: Api, job: str, *, quiet: bool = False) -> dict[str, Any]:
    """Follow a job and return it done; raises `job_failed` when it ended otherwise."""
    found = follow(api, job, quiet=quiet)
    if found["state"] != "done":
        message = f"Job {job} is {found['state']}: {found.get('error') or 'by an operator'}."
        raise CliError("job_failed", message, {"job": job, "state": found["state"]})
    return found


def report(found: dict[str, Any]) -> None:
    """Print what a replay came to, reason by reason."""
    told = found.get("report") or {}
    show.pairs({"job": found["id"], **{key: value for key, value in told.items() if value != {}}})
    tell_beyond_repair(told.get("skipped") or {})


def tell_beyond_repair(skipped: dict[str, int]) -> None:
    """Say what is left to do with rows that no repair can read."""
    rows = sum(skipped.get(one, 0) for one in BEYOND_REPAIR)
    if rows:
        show.line(
            f"{rows} of the skipped can't be repaired: what is kept of them is no whole event. "
            "Mend them where they come from (a file's row: in the file, and import that again), "
            "then `rapport quarantine discard` them."
        )


def end(found: dict[str, Any], *, as_json: bool) -> None:
    """Print a job; a failed one is an error, and refused rows are exit code 1."""
    if as_json:
        show.data(found)
    else:
        _print(found)
    if found["state"] == "failed":
        raise CliError("job_failed", str(found.get("error") or "The job failed."))
    if found["rejected"]:
        raise typer.Exit(1)


def _print(found: dict[str, Any]) -> None:
    report = found.get("report") or {}
    shown = {key: found[key] for key in COLUMNS}
    if (found.get("spec") or {}).get("dry_run"):
        shown["dry_run"] = "nothing was sent; accepted is what would be"
    for key in ("events", "codes", "checks"):
        if report.get(key):
            shown[key] = report[key]
    show.pairs(shown)
    if report.get("errors"):
        show.rows(report["errors"], ["row", "code", "path", "message"])
    for event in report.get("preview") or ():
        show.data(event)
