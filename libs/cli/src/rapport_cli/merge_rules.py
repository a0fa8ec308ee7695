"""`rapport merge-rules`: which identifiers make two records one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import jobs, rules, show

if TYPE_CHECKING:
    from rapport_cli.client import Api

PATH = "/v1/merge-rules"
PARTS = ("order", "kinds", "blocked")
DIFFERENCES = ("identifiers", "links", "moved_events", "profiles", "computed", "joined", "changed")
File = Annotated[str, typer.Argument(help='{"order": […], "kinds": {…}, "blocked": {…}}, or - .')]
Wait = Annotated[bool, typer.Option(help="Until everybody has been worked out anew.")]
app = rules.rules_app(PATH, "Which identifiers join people, and how many one has.")


@app.command()
def preview(ctx: typer.Context, file: File, *, as_json: show.AsJson = False) -> None:
    """Look what the rules in a file would change for those who are known; nothing is changed."""
    api = show.session(ctx).api("profile")
    given = rules.read(file, PARTS)
    job = api.post(f"{PATH}/preview", {part: given[part] for part in PARTS if part in given})
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
    reason: rules.Reason,
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Let the rules in a file hold from now on; a job brings everybody under them."""
    api = show.session(ctx).api("profile")
    answer = rules.put(api, PATH, rules.read(file, PARTS), reason)
    print_change(api, answer, wait=wait, as_json=as_json)


def print_change(api: Api, answer: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Print which version holds, and how far the job is that brings everybody under it."""
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
