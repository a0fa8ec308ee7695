"""`rapport survey follow-up`: which answers become cases."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import documents, show

app = typer.Typer(help="Which answers become cases.", no_args_is_help=True)
SurveyId = Annotated[str, typer.Argument(help="The survey's id.")]


@app.command("show")
def show_rules(ctx: typer.Context, survey: SurveyId, *, as_json: show.AsJson = False) -> None:
    """Show the rules of a survey."""
    found = show.session(ctx).api("feedback").get(_path(survey))
    (show.data if as_json else show.pairs)(found)


@app.command("set")
def set_rules(
    ctx: typer.Context,
    survey: SurveyId,
    rules: Annotated[str, typer.Argument(help='{"rules": […]}: JSON, @FILE, or - .')],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Let these rules hold for answers from now on, as a whole."""
    given = documents.read(rules, "rules")
    body = {"rules": given["rules"]} if "rules" in given else given
    answer = show.session(ctx).api("feedback").put(_path(survey), body)
    show.made(answer, f"Version {answer['version']} holds.", as_json=as_json)


def _path(survey: str) -> str:
    return f"/v1/surveys/{quote(survey, safe='')}/follow-ups"
