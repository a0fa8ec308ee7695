"""`rapport survey`: questions, links to them, and what people answer."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

app = typer.Typer(help="Surveys, invitations and scores.", no_args_is_help=True)
SurveyId = Annotated[str, typer.Argument(help="The survey's id.")]
UserId = Annotated[str | None, typer.Option(help="Whose it is: the user id.")]
Email = Annotated[str | None, typer.Option(help="Whose it is: the e-mail address.")]
AnonymousId = Annotated[str | None, typer.Option(help="Whose it is: the anonymous id.")]
COLUMNS = ["id", "name", "kind", "question", "wave", "created_at"]


@app.command("list")
def list_surveys(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List surveys, newest first."""
    answer = (
        show.session(ctx)
        .api("feedback")
        .get("/v1/surveys", archived=archived or None, limit=limit, cursor=cursor)
    )
    show.page(answer, COLUMNS, empty="There is no survey.", as_json=as_json)


@app.command("show")
def show_survey(ctx: typer.Context, survey: SurveyId, *, as_json: show.AsJson = False) -> None:
    """Show a survey."""
    found = show.session(ctx).api("feedback").get(_path(survey))
    (show.data if as_json else show.pairs)(found)


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A name people know it by.")],
    question: Annotated[str, typer.Argument(help="What customers are asked.")],
    *,
    kind: Annotated[str, typer.Option(help="What it measures.")] = "nps",
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Create a survey in its first wave."""
    body = {"name": name, "kind": kind, "question": question}
    made = show.session(ctx).api("feedback").post("/v1/surveys", body)
    told = f"Survey {made['id']} '{made['name']}' is there."
    show.made(made, told, as_json=as_json, id_only=id_only)


@app.command("set")
def set_survey(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    name: Annotated[str, typer.Option(help="Its new name.")],
    as_json: show.AsJson = False,
) -> None:
    """Rename a survey; its question stays, since answers are to that one."""
    found = show.session(ctx).api("feedback").patch(_path(survey), {"name": name})
    (show.data if as_json else show.pairs)(found)


@app.command()
def archive(ctx: typer.Context, survey: SurveyId, *, as_json: show.AsJson = False) -> None:
    """Archive a survey: no new links; those that are out can be answered until they end."""
    show.session(ctx).api("feedback").delete(_path(survey))
    answer = {"id": survey, "archived": True}
    show.made(answer, f"Survey {survey} is archived.", as_json=as_json)


@app.command()
def wave(ctx: typer.Context, survey: SurveyId, *, as_json: show.AsJson = False) -> None:
    """Begin the next wave of a survey."""
    answer = show.session(ctx).api("feedback").post(f"{_path(survey)}/waves")
    (show.data if as_json else show.pairs)(answer)


@app.command()
def invite(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    user_id: UserId = None,
    email: Email = None,
    anonymous_id: AnonymousId = None,
    as_json: show.AsJson = False,
) -> None:
    """Print a person's link to the survey; the same one the next time."""
    who = somebody(user_id, email, anonymous_id)
    answer = show.session(ctx).api("feedback").post(f"{_path(survey)}/invitations", who)
    if as_json:
        show.data(answer)
        return
    typer.echo(answer["url"])


@app.command()
def score(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    wave: Annotated[int | None, typer.Option(help="Of which wave; default: the current.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show what a wave has come to."""
    answer = show.session(ctx).api("feedback").get(f"{_path(survey)}/score", wave=wave)
    (show.data if as_json else show.pairs)(answer)


def somebody(user_id: str | None, email: str | None, anonymous_id: str | None) -> dict[str, str]:
    """Return whom the options name; raises `nobody` when they name no one."""
    given = {"user_id": user_id, "email": email, "anonymous_id": anonymous_id}
    who = {key: value for key, value in given.items() if value}
    if not who:
        raise CliError("nobody", "Say whose it is: --user-id, --email or --anonymous-id.")
    return who


def _path(survey: str) -> str:
    return f"/v1/surveys/{quote(survey, safe='')}"
