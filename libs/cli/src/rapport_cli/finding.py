"""`rapport profile search`, `lookup`: people by what is remembered of them, and many at once."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from rapport_cli import jobs, show
from rapport_cli.decisions import app
from rapport_cli.errors import CliError
from rapport_cli.patience import patience
from rapport_cli.profiles import POLL_SECONDS, WAIT_SECONDS, Wait

__all__ = ["app"]  # with the commands of `decisions` and these
MOST = 1_000


@app.command()
def search(
    ctx: typer.Context,
    words: Annotated[
        list[str], typer.Argument(help="Parts of names, addresses, numbers, ids: all must fit.")
    ],
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Find people by what is remembered of them, the best first."""
    api = show.session(ctx).api("profile")
    asked = {"q": " ".join(words), "limit": limit, "cursor": cursor}
    pauses = itertools.repeat(
        POLL_SECONDS, int(patience(WAIT_SECONDS) / POLL_SECONDS) if wait else 0
    )
    answer = api.get("/v1/profiles/search", **asked)
    while not answer["items"] and (pause := next(pauses, None)):
        Event().wait(pause)
        answer = api.get("/v1/profiles/search", **asked)
    if as_json:
        show.data(answer)
        return
    rows = [{**one, "matched": _matched(one)} for one in answer["items"]]
    show.rows(rows, ["id", "fits", "matched"], empty="Nobody.")
    show.more(answer)
    if answer.get("complete") is False:
        show.note("So many fit that not all were looked at: add a word, or more of one.")


@app.command()
def lookup(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="A line for each: its kind, a blank, its value; - is stdin.")
    ],
    *,
    field: Annotated[
        list[str] | None,
        typer.Option(help="A section to show, such as traits; several times; without it all."),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Look many people up by identifiers, in the order of a file."""
    api = show.session(ctx).api("profile")
    wanted = _identifiers(file)
    items: list[dict[str, Any]] = []
    for start in range(0, len(wanted), MOST):
        body: dict[str, Any] = {"identifiers": wanted[start : start + MOST]}
        if field is not None:
            body["fields"] = field
        items += api.post("/v1/profiles/lookup", body)["items"]
    if as_json:
        show.data({"items": items})
        return
    rows = [{**one, **_brief(one["profile"])} for one in items]
    show.rows(rows, ["kind", "value", "id", "traits"])


@app.command()
def reindex(
    ctx: typer.Context,
    *,
    wait: Annotated[bool, typer.Option(help="Until everybody has been looked at.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Look at everybody, and put right what they are searched by."""
    api = show.session(ctx).api("profile")
    job = api.post("/v1/profiles/reindex")
    if wait:
        job = jobs.watch(api, job["id"], quiet=as_json)
    again = f"rapport job show --wait --service profile {job['id']}"
    told = f"{job['done']:,} people are looked at." if wait else f"Job {job['id']}: `{again}`."
    show.made(job, told, as_json=as_json)


def _identifiers(file: Path) -> list[dict[str, str]]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise CliError("bad_file", f"{file}: {error}.") from error
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        kind, blank, value = line.strip().partition(" ")
        if line.strip() and not blank:
            message = f"{file}, line {number}: write a kind, a blank and a value."
            raise CliError("bad_file", message, {"line": number})
        if line.strip():
            found.append({"kind": kind, "value": value.strip()})
    return found


def _matched(hit: dict[str, Any]) -> list[str]:
    return [f"{one['field']}: {one['value']}" for one in hit["matched"]]


def _brief(profile: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": profile["id"], "traits": profile.get("traits")} if profile else {}
