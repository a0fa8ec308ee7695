"""`rapport agent`, `team`, `queue`, `case-view`: who works on cases, and how."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import rules, show

Name = Annotated[str, typer.Argument(help="Its name: small letters, digits, '.', '_', '-'.")]
File = Annotated[str, typer.Argument(help="JSON in a file, or - .")]
AgentId = Annotated[str, typer.Argument(help="The subject of their credential.")]
AgentOption = Annotated[str | None, typer.Option("--agent", help="Who; left out: who calls.")]
HEAD = ("name", "actor", "reason", "changed_at", "cases", "cases_more")


def _app(path: str, parts: tuple[str, ...], columns: list[str], about: str) -> typer.Typer:
    """The commands that teams, queues and views have in common."""
    app = typer.Typer(help=about, no_args_is_help=True)

    @app.command("show")
    def show_one(ctx: typer.Context, name: Name) -> None:
        """Print one, as a file that can be changed and set again."""
        show.data(show.session(ctx).api("feedback").get(_at(path, name)))

    @app.command("set")
    def set_one(
        ctx: typer.Context,
        name: Name,
        file: File,
        *,
        reason: rules.Reason,
        as_json: show.AsJson = False,
    ) -> None:
        """Let what a file says hold from now on."""
        given = rules.read(file, [*parts, *HEAD])
        body = {part: given[part] for part in parts if part in given}
        body |= {"version": given.get("version", 0), "reason": reason}
        answer = show.session(ctx).api("feedback").put(_at(path, name), body)
        if as_json:
            show.data(answer)
            return
        job = answer.get("job_id")
        follow = f"; open cases follow by job {job}" if job else ""
        show.line(f"{name}: version {answer['version']} holds{follow}.")

    @app.command()
    def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
        """Take one away."""
        show.session(ctx).api("feedback").delete(_at(path, name))
        if as_json:
            show.data({"name": name})
        else:
            show.line(f"{name} is taken away.")

    if path != VIEWS:
        _add_list(app, path, columns)
    return app


def _add_list(app: typer.Typer, path: str, columns: list[str]) -> None:
    @app.command("list")
    def list_all(
        ctx: typer.Context,
        *,
        limit: show.Limit = 100,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List them by name."""
        answer = show.session(ctx).api("feedback").get(path, limit=limit, cursor=cursor)
        show.page(answer, columns, empty="There is none.", as_json=as_json)


def _at(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"


AGENTS, VIEWS = "/v1/agents", "/v1/case-views"
QUEUE = ("title", "when", "order", "team", "mode", "urgency", "skills", "return_minutes")
teams = _app(
    "/v1/teams",
    ("title", "members"),
    ["name", "title", "members", "version", "actor"],
    "Teams of agents.",
)
queues = _app(
    "/v1/queues",
    QUEUE,
    ["name", "title", "order", "mode", "team", "version", "actor"],
    "Queues, in which cases wait for agents.",
)
views = _app(
    VIEWS, ("title", "filters", "sort", "columns"), [], "Views of the inbox: which cases, and how."
)
agents = typer.Typer(help="Staff who work on cases.", no_args_is_help=True)


@views.command("list")
def list_views(
    ctx: typer.Context,
    *,
    counts: Annotated[bool, typer.Option(help="With how many cases each has.")] = False,
    agent: AgentOption = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List views by name, those that come with Rapport among them."""
    api = show.session(ctx).api("feedback")
    answer = api.get(VIEWS, counts=counts or None, agent=agent, limit=limit, cursor=cursor)
    if not as_json:
        for one in answer["items"]:
            one["cases"] = f"{one['cases']:,}+" if one.get("cases_more") else one.get("cases")
    show.page(answer, ["name", "title", "sort", "cases", "version"], as_json=as_json)


@agents.command("list")
def list_agents(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List agents by id, with how many open cases are theirs."""
    answer = show.session(ctx).api("feedback").get(AGENTS, limit=limit, cursor=cursor)
    columns = ["id", "name", "present", "load", "capacity", "skills", "languages"]
    show.page(answer, columns, empty="There is none.", as_json=as_json)


@agents.command("show")
def show_agent(ctx: typer.Context, agent: AgentId, *, as_json: show.AsJson = False) -> None:
    """Show an agent."""
    found = show.session(ctx).api("feedback").get(_at(AGENTS, agent))
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@agents.command("set")
def set_agent(
    ctx: typer.Context,
    agent: AgentId,
    *,
    name: Annotated[str, typer.Option(help="What they are called.")] = "",
    skill: Annotated[list[str] | None, typer.Option(help="What they can do; several.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="None: any; several.")] = None,
    capacity: Annotated[int, typer.Option(help="Open cases at a time.", min=1)] = 10,
    as_json: show.AsJson = False,
) -> None:
    """Let somebody be an agent, or be otherwise, as a whole."""
    body = {
        "name": name,
        "skills": skill or [],
        "languages": language or [],
        "capacity": capacity,
    }
    _told(show.session(ctx).api("feedback").put(_at(AGENTS, agent), body), as_json=as_json)


@agents.command()
def present(ctx: typer.Context, agent: AgentId, *, as_json: show.AsJson = False) -> None:
    """Say that somebody is there: queues push to them."""
    _be(ctx, agent, present=True, as_json=as_json)


@agents.command()
def away(ctx: typer.Context, agent: AgentId, *, as_json: show.AsJson = False) -> None:
    """Say that somebody is away: queues take their cases back after a while."""
    _be(ctx, agent, present=False, as_json=as_json)


@agents.command("archive")
def archive_agent(ctx: typer.Context, agent: AgentId, *, as_json: show.AsJson = False) -> None:
    """Somebody is an agent no more; their cases stay theirs."""
    show.session(ctx).api("feedback").delete(_at(AGENTS, agent))
    if as_json:
        show.data({"id": agent})
    else:
        show.line(f"{agent} is an agent no more.")


def _be(ctx: typer.Context, agent: str, *, present: bool, as_json: bool) -> None:
    answer = show.session(ctx).api("feedback").patch(_at(AGENTS, agent), {"present": present})
    _told(answer, as_json=as_json)


def _told(answer: dict[str, Any], *, as_json: bool) -> None:
    there = "present" if answer.get("present") else "away"
    show.made(answer, f"{answer['id']} is {there}.", as_json=as_json)
