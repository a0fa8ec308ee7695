"""Showing a job's progress until it ends: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rapport_cli.client import Api

POLL_SECONDS = 0.5
ENDED = {"done", "failed", "cancelled"}


def watch(api: Api, job: str, *, quiet: bool = False) -> dict[str, Any]:
    """Follow a job to its end and return it; raises `job_failed`. Ctrl-C leaves it running."""
    try:
        if show.console.is_terminal and not quiet:
            found = _bar(api, job)
        else:
            found = _lines(api, job, quiet=quiet)
    except KeyboardInterrupt:
        show.notice(f"Job {job} goes on. `rapport replay cancel {job}` ends it.")
        raise
    if found["state"] != "done":
        message = f"Job {job} is {found['state']}: {found.get('error') or 'by an operator'}."
        raise CliError("job_failed", message, {"job": job, "state": found["state"]})
    return found


def _states(api: Api, job: str) -> Iterator[dict[str, Any]]:
    while True:
        found = api.get(f"/v1/jobs/{job}")
        yield found
        if found["state"] in ENDED:
            return
        time.sleep(POLL_SECONDS)  # noqa: TID251 - a command line has no event loop


def _lines(api: Api, job: str, *, quiet: bool) -> dict[str, Any]:
    told, found = "", {}
    for found in _states(api, job):
        text = _told(found)
        if text != told and not quiet:
            show.line(text)
            told = text
    return found


def _told(found: dict[str, Any]) -> str:
    total = "?" if found["total"] is None else f"{found['total']:,}"
    return (
        f"{found['state']}: {found['done']:,} of {total}, "
        f"{found['accepted']:,} sent, {found['rejected']:,} not"
    )


def _bar(api: Api, job: str) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    found: dict[str, Any] = {}
    with Progress(*columns, console=show.console) as progress:
        task = progress.add_task("queued", total=None)
        for found in _states(api, job):
            progress.update(
                task, description=found["state"], total=found["total"], completed=found["done"]
            )
    return found


def report(found: dict[str, Any]) -> None:
    """Print what a replay came to, reason by reason."""
    told = found.get("report") or {}
    show.pairs({"job": found["id"], **{key: value for key, value in told.items() if value != {}}})
