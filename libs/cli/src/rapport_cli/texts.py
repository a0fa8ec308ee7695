"""`rapport text`, `text-topic`, `text-model`: what was read of texts, and what teaches that."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import rules, show

TEXTS, TOPICS, MODELS = "/v1/texts", "/v1/text-topics", "/v1/text-models"
COLUMNS = ["id", "source", "state", "language", "label", "sentiment", "topics", "at"]
TOPIC = ("label", "rules")
Id = Annotated[str, typer.Argument(help="Its id.")]
Name = Annotated[str, typer.Argument(help="Its name: small letters, digits, '.', '_', '-'.")]
File = Annotated[str, typer.Argument(help="JSON in a file, or - .")]

texts = typer.Typer(help="What was read of answers, cases and messages.", no_args_is_help=True)
topics = typer.Typer(help="Topics of texts: rules, spikes, scores.", no_args_is_help=True)
models = typer.Typer(help="Topics learned from corrections.", no_args_is_help=True)


@texts.command("list")
def list_texts(
    ctx: typer.Context,
    *,
    topic: Annotated[str | None, typer.Option(help="Only of this topic.")] = None,
    sentiment: Annotated[str | None, typer.Option(help="negative, neutral or positive.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as en, zh, other.")] = None,
    state: Annotated[str | None, typer.Option(help="waiting, done or failed.")] = None,
    source: Annotated[str | None, typer.Option(help="answer, case or message.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List texts by what was read of them."""
    answer = (
        show.session(ctx)
        .api("feedback")
        .get(
            TEXTS,
            topic=topic,
            sentiment=sentiment,
            language=language,
            state=state,
            source=source,
            limit=limit,
            cursor=cursor,
        )
    )
    show.page(answer, COLUMNS, empty="There is none.", as_json=as_json)


@texts.command("show")
def show_text(ctx: typer.Context, text: Id) -> None:
    """Print what was read of a text, and why."""
    show.data(show.session(ctx).api("feedback").get(_at(TEXTS, text)))


@texts.command()
def correct(
    ctx: typer.Context,
    text: Id,
    *,
    topic: Annotated[list[str] | None, typer.Option(help="All its topics, one each.")] = None,
    no_topic: Annotated[bool, typer.Option(help="It is of no topic.")] = False,
    sentiment: Annotated[str | None, typer.Option(help="negative, neutral or positive.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say what a text is: it holds at once, and teaches later."""
    body: dict[str, Any] = {}
    if topic or no_topic:
        body["topics"] = topic or []
    if sentiment is not None:
        body["sentiment"] = sentiment
    answer = show.session(ctx).api("feedback").post(f"{_at(TEXTS, text)}/corrections", body)
    if as_json:
        show.data(answer)
    else:
        show.line("It holds.")


@texts.command()
def enrich(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Have all texts read, old ones too, by a job."""
    _asked(show.session(ctx).api("feedback").post(f"{TEXTS}/enrich", {}), as_json=as_json)


@topics.command("list")
def list_topics(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what holds, by name."""
    answer = show.session(ctx).api("feedback").get(TOPICS, limit=limit, cursor=cursor)
    show.page(answer, ["name", "label", *rules.COLUMNS], empty="There is none.", as_json=as_json)


@topics.command("show")
def show_topic(ctx: typer.Context, name: Name) -> None:
    """Print one, as a file that can be changed and set again."""
    show.data(show.session(ctx).api("feedback").get(_at(TOPICS, name)))


@topics.command("set")
def set_topic(
    ctx: typer.Context,
    name: Name,
    file: File,
    *,
    reason: rules.Reason,
    as_json: show.AsJson = False,
) -> None:
    """Let what a file says hold from now on; all texts are read again, by a job."""
    given = rules.read(file, [*TOPIC, "name"])
    body = {part: given[part] for part in TOPIC if part in given}
    body |= {"version": given.get("version", 0), "reason": reason}
    answer = show.session(ctx).api("feedback").put(_at(TOPICS, name), body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"{name}: version {answer['version']} holds; job {answer['job_id']} reads again.")


@topics.command()
def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
    """Take one away; texts lose it, by a job."""
    show.session(ctx).api("feedback").delete(_at(TOPICS, name))
    if as_json:
        show.data({"name": name})
    else:
        show.line(f"{name} is taken away.")


@topics.command()
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
    answer = api.get(f"{_at(TOPICS, name)}/history", limit=limit, cursor=cursor)
    show.page(answer, rules.COLUMNS, as_json=as_json)


@topics.command()
def spikes(
    ctx: typer.Context,
    name: Name,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List days on which there was more of it than by chance."""
    api = show.session(ctx).api("feedback")
    answer = api.get(f"{_at(TOPICS, name)}/spikes", limit=limit, cursor=cursor)
    show.page(answer, ["day", "count", "expected", "p"], empty="There was none.", as_json=as_json)


@topics.command()
def score(
    ctx: typer.Context,
    name: Name,
    *,
    days: Annotated[int, typer.Option(help="The last ones.")] = 90,
    as_json: show.AsJson = False,
) -> None:
    """Show how people score who speak of it."""
    answer = show.session(ctx).api("feedback").get(f"{_at(TOPICS, name)}/score", days=days)
    if as_json:
        show.data(answer)
    else:
        columns = ["answers", "share_of_detractors", "detractors", "promoters", "texts", "negative"]
        show.rows([answer], [one for one in columns if one in answer])


@models.command("list")
def list_models(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what was learned, the newest first, beside the rules."""
    answer = show.session(ctx).api("feedback").get(MODELS, limit=limit, cursor=cursor)
    columns = ["id", "language", "version", "active", "gain", "low", "high", "created_at"]
    show.page(answer, columns, empty="Nothing was learned yet.", as_json=as_json)


@models.command()
def learn(
    ctx: typer.Context,
    language: Annotated[str, typer.Argument(help="Such as en, zh, de.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Learn a language's topics from corrections, by a job: it holds if it beats the rules."""
    answer = show.session(ctx).api("feedback").post(MODELS, {"language": language})
    _asked(answer, as_json=as_json)


@models.command("set")
def set_model(
    ctx: typer.Context,
    model: Id,
    *,
    active: Annotated[bool, typer.Option("--active/--inactive", help="Whether it holds.")],
    as_json: show.AsJson = False,
) -> None:
    """Let a model hold whatever its measure says, or the rules again."""
    answer = show.session(ctx).api("feedback").patch(_at(MODELS, model), {"active": active})
    if as_json:
        show.data(answer)
    else:
        show.line("The model holds." if active else "The rules hold.")


def _at(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"


def _asked(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.data(answer)
    else:
        show.line(f"Asked: rapport job show {answer['job_id']} --service feedback --wait")
