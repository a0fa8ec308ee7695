"""`rapport calendar`, `rapport case-policy`: by what the clocks of cases go."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, rules, show

CALENDARS, POLICIES = "/v1/calendars", "/v1/case-policies"
CALENDAR = ("timezone", "week", "days", "holidays", "yearly")
POLICY = ("when", "order", "clocks")
Name = Annotated[str, typer.Argument(help="Its name: small letters, digits, '.', '_', '-'.")]
File = Annotated[str, typer.Argument(help="JSON in a file, or - .")]


def _app(path: str, parts: tuple[str, ...], about: str) -> typer.Typer:
    """The commands that calendars and policies have in common."""
    app = typer.Typer(help=about, no_args_is_help=True)

    @app.command("list")
    def list_all(
        ctx: typer.Context,
        *,
        limit: show.Limit = 100,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List what holds, by name."""
        answer = show.session(ctx).api("feedback").get(path, limit=limit, cursor=cursor)
        show.page(answer, ["name", *rules.COLUMNS], empty="There is none.", as_json=as_json)

    @app.command("show")
    def show_one(ctx: typer.Context, name: Name) -> None:
        """Print one, as a file that can be changed and set again."""
        show.data(show.session(ctx).api("feedback").get(_at(path, name)))

    @app.command()
    def history(
        ctx: typer.Context,
        name: Name,
        *,
        limit: show.Limit = 50,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List all versions: by whom, and why."""
        api = show.session(ctx).api("feedback")
        answer = api.get(f"{_at(path, name)}/history", limit=limit, cursor=cursor)
        show.page(answer, rules.COLUMNS, as_json=as_json)

    _add_changes(app, path, parts)
    return app


def _add_changes(app: typer.Typer, path: str, parts: tuple[str, ...]) -> None:
    """The commands by which one is set, and taken away."""

    @app.command("set")
    def set_one(
        ctx: typer.Context,
        name: Name,
        file: File,
        *,
        reason: rules.Reason,
        as_json: show.AsJson = False,
    ) -> None:
        """Let what a file says hold from now on; open cases follow, by a job."""
        given = rules.read(file, [*parts, "name", "removed"])
        body = {part: given[part] for part in parts if part in given}
        body |= {"version": given.get("version", 0), "reason": reason}
        _declared(show.session(ctx).api("feedback").put(_at(path, name), body), as_json=as_json)

    @app.command()
    def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
        """Take one away; open cases follow, by a job."""
        show.session(ctx).api("feedback").delete(_at(path, name))
        if as_json:
            show.data({"name": name})
        else:
            show.line(f"{name} is taken away.")


calendars = _app(CALENDARS, CALENDAR, "Business calendars, by which limits of cases are counted.")
policies = _app(POLICIES, POLICY, "Which clocks cases have.")


@calendars.command()
def holidays(
    ctx: typer.Context,
    name: Name,
    file: Annotated[str, typer.Argument(help="A file of iCalendar (.ics).")],
    *,
    reason: rules.Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let the whole days of an iCalendar file be the holidays."""
    api = show.session(ctx).api("feedback")
    version = api.get(_at(CALENDARS, name))["version"]
    body = {"ical": documents.text(file, "calendar"), "version": version, "reason": reason}
    _declared(api.post(f"{_at(CALENDARS, name)}/holidays", body), as_json=as_json)


@calendars.command()
def due(
    ctx: typer.Context,
    name: Name,
    minutes: Annotated[int, typer.Argument(help="Of open time.")],
    *,
    at: Annotated[str | None, typer.Option(help="From then, ISO 8601; left out: now.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say when so many open minutes will have passed."""
    api = show.session(ctx).api("feedback")
    answer = api.get(f"{_at(CALENDARS, name)}/due", minutes=minutes, at=at)
    if as_json:
        show.data(answer)
    else:
        show.line(answer["due_at"])


@policies.command()
def library(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the policies that come with Rapport; `--json` has what `set` takes."""
    api = show.session(ctx).api("feedback")
    answer = api.get("/v1/case-policy-library", limit=limit, cursor=cursor)
    show.page(answer, ["name", "about"], as_json=as_json)


@policies.command()
def preview(
    ctx: typer.Context,
    *,
    severity: Annotated[str, typer.Option(help="low, normal, high or critical.")] = "normal",
    category: Annotated[str, typer.Option(help="What kind of complaint it is.")] = "",
    product: Annotated[str, typer.Option(help="What it is about.")] = "",
    tier: Annotated[str, typer.Option(help="The customer's.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Say which clocks a case would have that is opened now."""
    body = {"severity": severity, "category": category, "product": product, "tier": tier}
    answer = show.session(ctx).api("feedback").post(f"{POLICIES}/preview", body)
    if as_json:
        show.data(answer)
        return
    show.line(f"Policy: {answer['policy'] or 'the settings'}")
    show.rows(answer["clocks"], ["clock", "due_at", "warn_at"])


def _at(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"


def _declared(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        held = f"{answer['name']}: version {answer['version']} holds"
        show.line(f"{held}; open cases follow by job {answer['job_id']}.")
