"""`rapport profile`: one person, found by an identifier."""

from __future__ import annotations

from threading import Event
from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import jobs, merge_rules, show
from rapport_cli.client import Api
from rapport_cli.errors import CliError
from rapport_cli.patience import patience

app = typer.Typer(help="People: what is known and what they did.", no_args_is_help=True)
WAIT_SECONDS = 60
POLL_SECONDS = 0.5
Wait = Annotated[bool, typer.Option(help="A minute at most, for somebody who is just coming.")]
Kind = Annotated[str, typer.Argument(help="user_id, email, anonymous_id, or id.")]
Value = Annotated[str, typer.Argument(help="The identifier, such as an address.")]
After = Annotated[
    str | None, typer.Option(help="First wait until the event with this message id is applied.")
]
AfterSource = Annotated[str | None, typer.Option(help="The source of the event of --after.")]


@app.command("show")
def show_profile(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    wait: Wait = False,
    after: After = None,
    after_source: AfterSource = None,
    as_json: show.AsJson = False,
) -> None:
    """Show identifiers, traits, computed values and consent."""
    api = show.session(ctx).api("profile")
    own = {"after": after, "after_source": after_source}
    profile = _awaited(api, kind, value) if wait else find(api, kind, value, **own)
    if as_json:
        show.data(profile)
        return
    show.pairs(
        {
            "profile": profile["id"],
            "version": profile["version"],
            "identifiers": [f"{one['kind']} {one['value']}" for one in profile["identifiers"]],
            "reached at": list(map(_point, profile["contact_points"])),
            **profile["computed"],
        },
        {f"trait {name}": trait for name, trait in profile["traits"].items()},
    )
    show.rows(profile["consent"], ["contact_point", "channel", "purpose", "state", "at"], empty="")


@app.command()
def timeline(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 20,
    cursor: show.Cursor = None,
    since: Annotated[str | None, typer.Option(help="Only events from this instant on.")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before this instant.")] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as page; or several.")
    ] = None,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Only events of this name; or several.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only events of this source.")] = None,
    where: Annotated[
        str | None, typer.Option(help="Only events with this property: order_id=1001.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Only what happened in the group of this key.")
    ] = None,
    oldest_first: Annotated[bool, typer.Option(help="Begin with the first event.")] = False,
    after: After = None,
    after_source: AfterSource = None,
    as_json: show.AsJson = False,
) -> None:
    """List what the person did, newest first."""
    api = show.session(ctx).api("profile")
    path, equals = _property(where)
    person = find(api, kind, value, after=after, after_source=after_source)["id"]
    asked = {
        "since": since,
        "until": until,
        "type": kinds or None,
        "name": names or None,
        "source": source,
        "property": path,
        "equals": equals,
        "group": group,
        "order": "oldest" if oldest_first else None,
        "limit": limit,
        "cursor": cursor,
    }
    answer = api.get(f"{_path(person)}/timeline", **asked)
    if as_json:
        show.data(answer)
        return
    show.rows(map(_told, answer["items"]), ["when", "what", "source", "details"], empty="Nothing.")
    show.more(answer)


@app.command()
def links(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List which events joined the person's identifiers: why these are one person."""
    columns = ["a_kind", "a_value", "b_kind", "b_value", "kind", "timestamp", "message_id", "void"]
    part(ctx, kind, value, "links", columns, limit=limit, cursor=cursor, as_json=as_json)


@app.command()
def identifiers(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all identifiers, also those that are too many to be shown with the person."""
    part(
        ctx,
        kind,
        value,
        "identifiers",
        ["kind", "value"],
        limit=limit,
        cursor=cursor,
        as_json=as_json,
    )


@app.command()
def traits(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all traits, also those that are too many to be shown with the person."""
    part(ctx, kind, value, "traits", ["name", "value"], limit=limit, cursor=cursor, as_json=as_json)


@app.command("trait-history")
def trait_history(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    name: Annotated[str, typer.Argument(help="The trait.")],
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what was said of a trait, by whom, and which of it counts."""
    columns = ["value", "at", "source", "message_id", "once", "counts"]
    part(
        ctx,
        kind,
        value,
        "trait-history",
        columns,
        limit=limit,
        cursor=cursor,
        as_json=as_json,
        name=name,
    )


@app.command()
def readings(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List names, contacts, birthday, addresses as they were sent, and as they are read."""
    columns = ["name", "raw", "normal", "source", "at", "put_right"]
    part(ctx, kind, value, "readings", columns, limit=limit, cursor=cursor, as_json=as_json)


@app.command()
def scores(
    ctx: typer.Context,
    kind: Kind,
    value: Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what models say of a person: RFM, and those that others have published."""
    columns = ["name", "value", "model", "model_version", "at", "reason"]
    part(ctx, kind, value, "scores", columns, limit=limit, cursor=cursor, as_json=as_json)


@app.command("clear-point")
def clear_point(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(help="email or sms.")],
    point: Annotated[str, typer.Argument(help="The address or number.")],
    *,
    reason: Annotated[str, typer.Option(help="How you know that it takes messages again.")],
    as_json: show.AsJson = False,
) -> None:
    """Let a contact point that has bounced, or whose owner has complained, be ok again."""
    body = {"channel": channel, "contact_point": point, "reason": reason}
    answer = show.session(ctx).api("profile").post("/v1/contact-points/clear", body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"{point} takes messages again.")


@app.command()
def stats(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show how many people there are, and their totals."""
    found = show.session(ctx).api("profile").get("/v1/stats")
    (show.data if as_json else show.pairs)(found)


@app.command()
def republish(
    ctx: typer.Context,
    *,
    everywhere: Annotated[
        bool, typer.Option(help="All workspaces: the token needs the claim `installation`.")
    ] = False,
    events: Annotated[
        bool, typer.Option(help="Their events, too: for a segment that has lost them.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Until everybody has been told again.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Tell everybody again to the services that read profiles: to one that is new or has a gap."""
    api = show.session(ctx).api("profile", installation=everywhere)
    job = api.post("/v1/profiles/republish", {"everywhere": everywhere, "events": events})
    if wait:
        job = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(job)
    elif wait:
        told = f"{job['done']:,} profiles are told again."
        show.line("Everybody is told again, and all events." if events else told)
    else:
        again = f"rapport job show --wait --service profile {job['id']}"
        show.line(f"Job {job['id']} tells everybody again: `{again}` shows how far it is.")


@app.command()
def rebuild(
    ctx: typer.Context,
    *,
    repair: Annotated[bool, typer.Option(help="Also put right what is wrong.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Work everybody out anew from the stored events; exit code 1 when there is a difference.

    Nothing is changed without --repair.
    """
    api = show.session(ctx).api("profile")
    job = api.post("/v1/profiles/rebuild", {"repair": repair})
    done = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(done)
    else:
        merge_rules.print_differences(done)
    if not repair and any((done.get("report") or {}).values()):
        raise typer.Exit(1)


def part(
    ctx: typer.Context,
    kind: str,
    value: str,
    which: str,
    columns: list[str],
    *,
    limit: int,
    cursor: str | None,
    as_json: bool,
    **asked: str,
) -> None:
    """Print a page of one of the lists that a person has; `asked`: what else it is asked by."""
    api = show.session(ctx).api("profile")
    path = f"{_path(id_of(api, kind, value))}/{which}"
    answer = api.get(path, limit=limit, cursor=cursor, **asked)
    show.page(answer, columns, as_json=as_json)


def find(
    api: Api,
    kind: str,
    value: str,
    *,
    after: str | None = None,
    after_source: str | None = None,
) -> dict[str, Any]:
    """Return the profile with this identifier; raises `not_found` in the user's words.

    The event with the message id `after` is applied first; raises `not_applied`.
    """
    own = {"after": after, "after_source": after_source}
    try:
        if kind == "id":
            return api.get(_path(value), **own)
        return api.get("/v1/profiles", kind=kind, value=value, **own)
    except CliError as error:
        if error.code != "not_found":
            raise
        message = f"Nobody has {kind} '{value}' in this workspace (--workspace picks another)."
        raise CliError("not_found", message, error.details) from error


def _awaited(api: Api, kind: str, value: str) -> dict[str, Any]:
    """Find somebody whose events are still on their way; raises `not_found` after a minute."""
    pause = Event()
    for _ in range(int(patience(WAIT_SECONDS) / POLL_SECONDS)):
        try:
            return find(api, kind, value)
        except CliError as error:
            if error.code != "not_found":
                raise
            pause.wait(POLL_SECONDS)
    return find(api, kind, value)


def id_of(api: Api, kind: str, value: str) -> str:
    """Return the id of the profile with this identifier; raises `not_found`."""
    return str(find(api, kind, value)["id"])


def _property(where: str | None) -> tuple[str | None, str | None]:
    """Split PATH=VALUE; raises `bad_property`."""
    if where is None:
        return None, None
    path, equals, value = where.partition("=")
    if not (path and equals):
        message = "--where is a path into the properties and a value: order_id=1001."
        raise CliError("bad_property", message)
    return path, value


def _path(profile_id: str) -> str:
    return f"/v1/profiles/{quote(profile_id, safe='')}"


def _point(point: dict[str, Any]) -> str:
    """An address at which somebody is reached, whether a trusted source has told of it, and how it
    takes what is sent there.
    """
    notes = [] if point.get("verified", True) else ["not verified"]
    notes += [point["state"]] if point.get("state", "ok") != "ok" else []
    noted = f" ({', '.join(notes)})" if notes else ""
    return f"{point['value']}{noted}"


def _told(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "when": event.get("timestamp"),
        "what": event.get("name") or event.get("type"),
        "source": event.get("source"),
        "details": event.get("properties") or event.get("traits"),
    }
