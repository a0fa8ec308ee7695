"""`rapport case-answer`, `case-why`, `goodwill`, `corrective-action`: what is done about cases."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show

ACTIONS = "/v1/corrective-actions"
answers = typer.Typer(help="Answers to customers, and macros.", no_args_is_help=True)
whys = typer.Typer(help="Why a case came to be.", no_args_is_help=True)
goodwill = typer.Typer(help="What is given to customers.", no_args_is_help=True)
actions = typer.Typer(help="What is done against causes.", no_args_is_help=True)
CaseId = Annotated[str, typer.Argument(help="The case's id.")]
ActionId = Annotated[str, typer.Argument(help="The action's id.")]
Template = Annotated[str | None, typer.Option(help="The answer template's name.")]
Language = Annotated[str | None, typer.Option(help="Of the template, as de.")]
Subject = Annotated[str, typer.Option(help="Empty: the template's, or that of the case.")]
Text = Annotated[str, typer.Option(help="Without a template.")]
Owner = Annotated[str | None, typer.Option(help="Who does it.")]
Due = Annotated[str | None, typer.Option(help="By which day, YYYY-MM-DD.")]
Done = Annotated[str | None, typer.Option(help="On which day it was done, YYYY-MM-DD.")]


@answers.command()
def preview(
    ctx: typer.Context,
    case: CaseId,
    *,
    template: Template = None,
    language: Language = None,
    subject: Subject = "",
    text: Text = "",
    as_json: show.AsJson = False,
) -> None:
    """Show an answer as it would go out."""
    body = _given(template=template, language=language, subject=subject, text=text)
    found = show.session(ctx).api("feedback").post(f"{_case(case)}/answers/preview", body)
    if as_json:
        show.data(found)
        return
    show.pairs({"to": found["to"], "subject": found["subject"]})
    show.line(found["text"])


@answers.command()
def send(
    ctx: typer.Context,
    case: CaseId,
    *,
    template: Template = None,
    language: Language = None,
    subject: Subject = "",
    text: Text = "",
    as_json: show.AsJson = False,
) -> None:
    """Send an answer by mail, in the thread of the case."""
    body = _given(template=template, language=language, subject=subject, text=text)
    made = show.session(ctx).api("feedback").post(f"{_case(case)}/answers", body)
    show.made(made, "The answer is on its way.", as_json=as_json)


@answers.command()
def macro(
    ctx: typer.Context,
    case: CaseId,
    name: Annotated[str, typer.Argument(help="The macro's name.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Do all that a macro says, or nothing of it."""
    at = f"{_case(case)}/macros/{quote(name, safe='')}"
    made = show.session(ctx).api("feedback").post(at, {})
    show.made(made, f"Case {made['number']} is {made['state']}.", as_json=as_json)


@whys.command("show")
def show_why(ctx: typer.Context, case: CaseId, *, as_json: show.AsJson = False) -> None:
    """Show why a case came to be, as staff have said."""
    found = show.session(ctx).api("feedback").get(f"{_case(case)}/cause")
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@whys.command("set")
def set_why(
    ctx: typer.Context,
    case: CaseId,
    *,
    reason: Annotated[str, typer.Option(help="A name of case-reason.")] = "",
    cause: Annotated[str, typer.Option(help="A name of case-cause.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Say why a case came to be."""
    body = {"reason": reason, "cause": cause}
    made = show.session(ctx).api("feedback").put(f"{_case(case)}/cause", body)
    show.made(made, "It is noted.", as_json=as_json)


@goodwill.command()
def give(
    ctx: typer.Context,
    case: CaseId,
    kind: Annotated[str, typer.Argument(help="coupon, points or refund.")],
    amount: Annotated[str, typer.Argument(help="Money, or points.")],
    currency: Annotated[str, typer.Argument(help="Of amount and cost, as EUR.")],
    *,
    reason: Annotated[str, typer.Option(help="A name of case-reason.")],
    cost: Annotated[str | None, typer.Option(help="What it costs us, if not the amount.")] = None,
    code: Annotated[str, typer.Option(help="Of the coupon.")] = "",
    note: Annotated[str, typer.Option(help="For the case.")] = "",
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Give something at a case, within the limits of who gives it."""
    body = _given(kind=kind, amount=amount, currency=currency, reason=reason, cost=cost)
    given = {**body, "code": code, "note": note}
    made = show.session(ctx).api("feedback").post(f"{_case(case)}/goodwill", given)
    show.made(made, "It is given.", as_json=as_json, id_only=id_only)


@goodwill.command("list")
def list_goodwill(
    ctx: typer.Context,
    case: CaseId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List what was given at a case."""
    api = show.session(ctx).api("feedback")
    answer = api.get(f"{_case(case)}/goodwill", limit=limit, cursor=cursor)
    columns = ["at", "kind", "amount", "currency", "cost", "reason", "actor"]
    show.page(answer, columns, empty="Nothing was given.", as_json=as_json)


@goodwill.command()
def totals(
    ctx: typer.Context,
    *,
    since: Annotated[str | None, typer.Option(help="From then on, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then, ISO 8601.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """Sum up what was given, by reason."""
    api = show.session(ctx).api("feedback")
    answer = api.get("/v1/goodwill-totals", since=since, until=until, limit=limit, cursor=cursor)
    columns = ["reason", "kind", "currency", "gifts", "cost"]
    show.page(answer, columns, empty="Nothing was given.", as_json=as_json)


@actions.command()
def create(
    ctx: typer.Context,
    cause: Annotated[str, typer.Argument(help="A name of case-cause.")],
    title: Annotated[str, typer.Argument(help="What is done.")],
    *,
    owner: Owner = None,
    due: Due = None,
    done: Done = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Note what is done so that a cause makes no more cases."""
    body = _given(cause=cause, title=title, owner=owner, due_on=due, done_on=done)
    made = show.session(ctx).api("feedback").post(ACTIONS, body)
    show.made(made, f"{made['id']} is noted.", as_json=as_json, id_only=id_only)


@actions.command("list")
def list_actions(
    ctx: typer.Context,
    *,
    cause: Annotated[str | None, typer.Option(help="Only against this one.")] = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List actions."""
    api = show.session(ctx).api("feedback")
    answer = api.get(ACTIONS, cause=cause, limit=limit, cursor=cursor)
    columns = ["id", "cause", "title", "owner", "due_on", "done_on"]
    show.page(answer, columns, empty="There is none.", as_json=as_json)


@actions.command("set")
def set_action(
    ctx: typer.Context,
    action: ActionId,
    *,
    title: Annotated[str | None, typer.Option(help="What is done.")] = None,
    owner: Owner = None,
    due: Due = None,
    done: Done = None,
    as_json: show.AsJson = False,
) -> None:
    """Say what has become of an action; its effect is counted from the day when it was done."""
    body = _given(title=title, owner=owner, due_on=due, done_on=done)
    made = show.session(ctx).api("feedback").patch(_action(action), body)
    show.made(made, "The action is changed.", as_json=as_json)


@actions.command()
def archive(ctx: typer.Context, action: ActionId, *, as_json: show.AsJson = False) -> None:
    """List an action no more."""
    show.session(ctx).api("feedback").delete(_action(action))
    show.made({"id": action}, "The action is archived.", as_json=as_json)


@actions.command()
def effect(
    ctx: typer.Context,
    action: ActionId,
    *,
    weeks: Annotated[int, typer.Option(help="So many on either side, at most.")] = 8,
    orders_before: Annotated[int | None, typer.Option(help="In these weeks.")] = None,
    orders_after: Annotated[int | None, typer.Option(help="In these weeks.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say whether an action has helped: cases a week before and after, with an interval."""
    api = show.session(ctx).api("feedback")
    found = api.get(
        f"{_action(action)}/effect",
        weeks=weeks,
        orders_before=orders_before,
        orders_after=orders_after,
    )
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


def _given(**values: str | None) -> dict[str, str]:
    """What was typed."""
    return {name: value for name, value in values.items() if value}


def _case(case: str) -> str:
    return f"/v1/cases/{quote(case, safe='')}"


def _action(action: str) -> str:
    return f"{ACTIONS}/{quote(action, safe='')}"
