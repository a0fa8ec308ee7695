"""`rapport survey`: questions, links to them, and what people answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, follow_ups, show, whole_files
from rapport_cli.errors import CliError

app = typer.Typer(help="Surveys, invitations and scores.", no_args_is_help=True)
app.add_typer(follow_ups.app, name="follow-up")
SurveyId = Annotated[str, typer.Argument(help="The survey's id.")]
UserId = Annotated[str | None, typer.Option(help="Whose it is: the user id.")]
Email = Annotated[str | None, typer.Option(help="Whose it is: the e-mail address.")]
AnonymousId = Annotated[str | None, typer.Option(help="Whose it is: the anonymous id.")]
Context = Annotated[
    list[str] | None, typer.Option("--context", help="product, channel, store, …: NAME=VALUE.")
]
COLUMNS = ["id", "name", "kind", "question", "wave", "version", "created_at"]


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
    question: Annotated[str | None, typer.Argument(help="What customers are asked.")] = None,
    *,
    kind: Annotated[str, typer.Option(help="What it measures: nps, csat, ces, rating.")] = "nps",
    form: Annotated[str | None, typer.Option(help="Instead: a form, JSON or @FILE.")] = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Create a survey in its first wave: one question with a score, or a form."""
    body: dict[str, Any] = {"name": name}
    body |= {"form": documents.read(form, "form")} if form else {"kind": kind, "question": question}
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
    """Rename a survey; `ask` changes what it asks."""
    found = show.session(ctx).api("feedback").patch(_path(survey), {"name": name})
    (show.data if as_json else show.pairs)(found)


@app.command()
def ask(
    ctx: typer.Context,
    survey: SurveyId,
    form: Annotated[str, typer.Argument(help="The form: JSON, @FILE, or - for standard input.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Ask something else from now on; who has begun finishes what they began."""
    body = {"form": documents.read(form, "form")}
    answer = show.session(ctx).api("feedback").put(f"{_path(survey)}/form", body)
    show.made(answer, f"It is at version {answer['version']}.", as_json=as_json)
    if not as_json:
        for lacking in answer.get("missing", ()):
            typer.echo(f"Not in {lacking['language']}: {', '.join(lacking['paths'])}", err=True)


@app.command()
def versions(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what a survey asks and has asked, the newest first."""
    path = f"{_path(survey)}/versions"
    answer = show.session(ctx).api("feedback").get(path, limit=limit, cursor=cursor)
    columns = ["version", "actor", "created_at"]
    show.page(answer, columns, empty="There is no version.", as_json=as_json)


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
    context: Context = None,
    trait: Annotated[
        list[str] | None, typer.Option(help="What texts may say of them: NAME=VALUE.")
    ] = None,
    override: Annotated[
        str | None, typer.Option(metavar="REASON", help="Whatever the contact policy says: why.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Print a person's link to the survey; the same one the next time."""
    who: dict[str, Any] = {**somebody(user_id, email, anonymous_id)}
    for name, given in (("context", context), ("traits", trait)):
        if given:
            who[name] = dict(documents.named(one, f"--{name}") for one in given)
    if override:
        who |= {"override": True, "reason": override}
    answer = show.session(ctx).api("feedback").post(f"{_path(survey)}/invitations", who)
    if as_json:
        show.data(answer)
        return
    typer.echo(answer["url"])


@app.command()
def why_not(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    user_id: UserId = None,
    email: Email = None,
    anonymous_id: AnonymousId = None,
    as_json: show.AsJson = False,
) -> None:
    """Show why a person is not invited now, and from when on they can be."""
    who = somebody(user_id, email, anonymous_id)
    found = show.session(ctx).api("feedback").get(f"{_path(survey)}/why-not", **who)
    (show.data if as_json else show.pairs)(found)


@app.command()
def link(
    ctx: typer.Context, survey: SurveyId, *, context: Context = None, as_json: show.AsJson = False
) -> None:
    """Print the link for all to an anonymous survey; for the same context the same one."""
    body = {"context": dict(documents.named(one, "--context") for one in context or ())}
    answer = show.session(ctx).api("feedback").post(f"{_path(survey)}/links", body)
    if as_json:
        show.data(answer)
        return
    typer.echo(answer["url"])


@app.command()
def qr(
    ctx: typer.Context,
    survey: SurveyId,
    file: Annotated[Path, typer.Argument(help="Where to: an SVG, for print in any size.")],
    *,
    context: Context = None,
    as_json: show.AsJson = False,
) -> None:
    """Write a QR code of the link for all to an anonymous survey, for a poster or receipt."""
    body = {"context": dict(documents.named(one, "--context") for one in context or ())}
    answer = show.session(ctx).api("feedback").post(f"{_path(survey)}/qr", body)
    with whole_files.whole(file, as_json=as_json) as part:
        part.write_text(answer.get("svg", ""))


@app.command()
def score(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    measure: Annotated[str, typer.Option(help="wave, rolling or latest.")] = "wave",
    wave: Annotated[int | None, typer.Option(help="Of which wave; default: the current.")] = None,
    days: Annotated[int | None, typer.Option(help="Of `rolling`: how many.")] = None,
    question: Annotated[str | None, typer.Option(help="Another question with a score.")] = None,
    by: Annotated[str | None, typer.Option(help="Told apart by product, channel, store, …")] = None,
    compare: Annotated[bool, typer.Option(help="With the wave or time before.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Show what a survey has come to, each person counted once."""
    asked = {"measure": measure, "wave": wave, "days": days, "question": question, "by": by}
    answer = (
        show.session(ctx)
        .api("feedback")
        .get(f"{_path(survey)}/score", **asked, compare=compare or None)
    )
    (show.data if as_json or by or compare else show.pairs)(answer)


@app.command()
def weighted(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    by: Annotated[str, typer.Option(help="Groups by product, channel, store, agent, segment.")],
    wave: Annotated[int | None, typer.Option(help="Of which wave; default: the current.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show the score as if all groups had answered alike, beside the score as it is."""
    api = show.session(ctx).api("feedback")
    answer = api.get(f"{_path(survey)}/weighted", by=by, wave=wave)
    if as_json:
        show.data(answer)
        return
    columns = ["value", "invited", "n", "rate", "weight"]
    show.page({"items": answer.get("strata", []), "next": None}, columns, as_json=False)
    if answer.get("why_not"):
        show.line(f"Not weighted: {answer['why_not']}.")
    for name in ("unweighted", "weighted"):
        told = answer.get(name) or {}
        if told.get("score") is not None:
            show.line(f"{name}: {told['score']} ({told['low']} to {told['high']})")


@app.command()
def drivers(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    wave: Annotated[int | None, typer.Option(help="Of which wave; default: the current.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show which other answers the score goes with, the strongest first."""
    answer = show.session(ctx).api("feedback").get(f"{_path(survey)}/drivers", wave=wave)
    if as_json:
        show.data(answer)
        return
    columns = ["question", "share", "weight", "low", "high", "r", "why"]
    told = {"items": answer.get("drivers", []), "next": None}
    show.page(told, columns, empty="It can't be told.", as_json=False)
    if answer.get("why_not"):
        show.line(f"Not told: {answer['why_not']}.")


@app.command()
def trend(ctx: typer.Context, survey: SurveyId, *, as_json: show.AsJson = False) -> None:
    """Show the score of each wave."""
    answer = show.session(ctx).api("feedback").get(f"{_path(survey)}/trend")
    if as_json:
        show.data(answer)
        return
    columns = ["wave", "n", "score", "low", "high"]
    told = {"items": answer.get("points", []), "next": None}
    show.page(told, columns, empty="There is no wave.", as_json=False)


@app.command()
def chart(
    ctx: typer.Context,
    survey: SurveyId,
    file: Annotated[Path, typer.Argument(help="Where to: a page for a browser.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Write the trend into a page: a picture, and a table that says the same."""
    api = show.session(ctx).api("feedback")
    with whole_files.whole(file, as_json=as_json) as part, part.open("wb") as opened:
        opened.writelines(api.download(f"{_path(survey)}/trend/page"))


@app.command()
def responses(
    ctx: typer.Context,
    survey: SurveyId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List every answer, in an order that says nothing of when it came."""
    path = f"{_path(survey)}/responses"
    answer = show.session(ctx).api("feedback").get(path, limit=limit, cursor=cursor)
    columns = ["id", "wave", "state", "answers", "context", "answered_at"]
    show.page(answer, columns, empty="Nobody has answered.", as_json=as_json)


def somebody(user_id: str | None, email: str | None, anonymous_id: str | None) -> dict[str, str]:
    """Return whom the options name; raises `nobody` when they name no one."""
    given = {"user_id": user_id, "email": email, "anonymous_id": anonymous_id}
    who = {key: value for key, value in given.items() if value}
    if not who:
        raise CliError("nobody", "Say whose it is: --user-id, --email or --anonymous-id.")
    return who


def _path(survey: str) -> str:
    return f"/v1/surveys/{quote(survey, safe='')}"
