"""`rapport profile computed`: what is computed of people, as the workspace defines it."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, jobs, show
from rapport_cli.profiles import id_of

app = typer.Typer(help="Traits that are computed from events.", no_args_is_help=True)
PATH = "/v1/computed-traits"
COLUMNS = ["name", "version", "stage", "type", "actor", "reason", "created_at"]
Name = Annotated[str, typer.Argument(help="Of the trait, such as orders_in_90_days.")]
File = Annotated[str, typer.Argument(help="The definition: JSON, @FILE, or - for standard input.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the version.")]
Wait = Annotated[bool, typer.Option(help="Until it is filled.")]


@app.command("list")
def list_traits(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what the workspace has defined, and how far it is filled."""
    answer = show.session(ctx).api("profile").get(PATH, limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("show")
def show_trait(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Show the version that holds."""
    found = show.session(ctx).api("profile").get(_path(name))
    _print(found, as_json=as_json)


@app.command()
def history(
    ctx: typer.Context,
    name: Name,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions of a name: by whom, and why."""
    api = show.session(ctx).api("profile")
    answer = api.get(f"{_path(name)}/history", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("set")
def set_trait(
    ctx: typer.Context,
    name: Name,
    definition: File,
    *,
    reason: Reason,
    version: Annotated[
        int | None, typer.Option(help="Whose place it takes; 0: none. Without it: the last.")
    ] = None,
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Define a trait, or change it; a job fills it from the stored events."""
    api = show.session(ctx).api("profile")
    given = documents.read(definition, "definition")
    known = _version(api, name) if version is None else version
    body = {"definition": given, "version": known, "reason": reason}
    answer = api.put(_path(name), body)
    if wait:
        jobs.watch(api, answer["job_id"], quiet=as_json)
    if as_json:
        show.data(answer)
        return
    show.line(f"Version {answer['version']} of {name} holds.")
    if not wait:
        _say_how_far(answer["job_id"])


@app.command()
def archive(
    ctx: typer.Context, name: Name, *, reason: Reason, as_json: show.AsJson = False
) -> None:
    """End a trait: people lose it."""
    api = show.session(ctx).api("profile")
    version = api.get(_path(name))["version"]
    api.delete(_path(name), version=version, reason=reason)
    if as_json:
        show.data({"name": name, "version": version})
    else:
        show.line(f"{name} is no more; a job tells people so.")


@app.command()
def fill(
    ctx: typer.Context, name: Name, *, wait: Wait = False, as_json: show.AsJson = False
) -> None:
    """Begin anew to fill a trait whose job was cancelled or has failed."""
    api = show.session(ctx).api("profile")
    _follow(api, api.post(f"{_path(name)}/fill", {}), wait=wait, as_json=as_json)


@app.command()
def preview(
    ctx: typer.Context,
    definition: File,
    kind: Annotated[str, typer.Argument(help="user_id, email, anonymous_id, or id.")],
    value: Annotated[str, typer.Argument(help="The identifier, such as an address.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Look what a definition gives for one person; nothing is changed."""
    api = show.session(ctx).api("profile")
    given = documents.read(definition, "definition")
    who = id_of(api, kind, value)
    answer = api.post(f"{PATH}/preview", {"definition": given, "profile_id": who})
    (show.data if as_json else show.pairs)(answer)


@app.command()
def shipped(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the definitions for shops that come with Rapport."""
    answer = show.session(ctx).api("profile").get(f"{PATH}/shipped", limit=limit, cursor=cursor)
    show.page(answer, ["id", "type", "description"], as_json=as_json)


@app.command()
def adopt(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; none: all.")] = None,
    *,
    reason: Reason,
    zone: Annotated[str, typer.Option(help="Whose days they are, such as Europe/Berlin.")] = "UTC",
    wait: Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Let definitions that come with Rapport hold in the workspace."""
    api = show.session(ctx).api("profile")
    body = {"names": names or [], "zone": zone, "reason": reason}
    _follow(api, api.post(f"{PATH}/adopt", body), wait=wait, as_json=as_json)


def _follow(api: Any, job: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    done = jobs.watch(api, job["id"], quiet=as_json) if wait else job
    if as_json:
        show.data(done)
    elif wait:
        show.line("Filled.")
    else:
        _say_how_far(job["id"])


def _say_how_far(job_id: str) -> None:
    again = f"rapport job show --wait --service profile {job_id}"
    show.line(f"A job fills it: `{again}` shows how far it is.")


def _version(api: Any, name: str) -> int:
    """The version that holds, 0 if there is none."""
    answer = api.get(f"{PATH}", limit=1000)
    found = (one["version"] for one in answer["items"] if one["name"] == name)
    return int(next(found, 0))


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(found)
    else:
        text = json.dumps(found.get("definition"), ensure_ascii=False)
        show.pairs({**found, "definition": text})


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"
