"""`rapport case`: complaints and their clocks."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.surveys import AnonymousId, Email, UserId, somebody

app = typer.Typer(help="Complaint cases.", no_args_is_help=True)
CaseId = Annotated[str, typer.Argument(help="The case's id.")]
Note = Annotated[str, typer.Option(help="Why, for the history.")]
Severity = Annotated[str | None, typer.Option(help="low, normal, high or critical.")]
Category = Annotated[str | None, typer.Option(help="What kind of complaint it is.")]
Product = Annotated[str | None, typer.Option(help="What it is about.")]
Tier = Annotated[str | None, typer.Option(help="The customer's.")]
Channel = Annotated[str | None, typer.Option(help="By which way it came.")]
Language = Annotated[str | None, typer.Option(help="Of the answers, such as de.")]
SeenVersion = Annotated[
    int | None, typer.Option(help="Refuse it if the case is at another version by now.")
]
COLUMNS = ["number", "id", "state", "subject", "opened_at", "due_at", "overdue_at"]


@app.command("list")
def list_cases(
    ctx: typer.Context,
    *,
    state: Annotated[
        str | None, typer.Option(help="Only in this state, e.g. received, or open.")
    ] = None,
    overdue: Annotated[bool, typer.Option(help="Only those that are late.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List cases with their state and due time, newest first."""
    answer = (
        show.session(ctx)
        .api("feedback")
        .get("/v1/cases", state=state, overdue=overdue or None, limit=limit, cursor=cursor)
    )
    show.page(answer, COLUMNS, empty="There is no such case.", as_json=as_json)


@app.command("show")
def show_case(ctx: typer.Context, case: CaseId, *, as_json: show.AsJson = False) -> None:
    """Show a case, what may follow, and its history."""
    found = show.session(ctx).api("feedback").get(_path(case))
    if as_json:
        show.data(found)
        return
    tables = ("history", "clocks", "entries", "breaches", "notices", "messages", "merged")
    show.pairs({key: value for key, value in found.items() if key not in tables})
    show.rows(found["history"], ["step", "at", "actor", "from_state", "to_state", "note"])
    show.rows(found["clocks"], ["clock", "lap", "started_at", "due_at", "paused", "outcome"])
    if found["entries"]:
        show.rows(found["entries"], ["version", "at", "actor", "kind", "note", "data"])
    show.rows(found["breaches"], ["clock", "due_at", "at"], empty="No limit was missed.")
    if found["notices"]:
        show.rows(found["notices"], ["at", "clock", "due_at", "level", "to"])
    if found.get("messages"):
        show.rows(found["messages"], ["at", "in_reply_to", "subject", "body"])
    if found.get("merged"):
        show.rows(found["merged"], ["number", "id", "opened_at", "subject", "body"])


@app.command()
def create(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(help="What it is about.")],
    body: Annotated[str, typer.Argument(help="What happened.")],
    *,
    user_id: UserId = None,
    email: Email = None,
    anonymous_id: AnonymousId = None,
    severity: Severity = None,
    category: Category = None,
    product: Product = None,
    tier: Tier = None,
    channel: Channel = None,
    language: Language = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Take a complaint down for a customer."""
    who = somebody(user_id, email, anonymous_id)
    known = {"severity": severity, "category": category, "product": product, "tier": tier}
    known |= {"channel": channel, "language": language}
    given = {name: value for name, value in known.items() if value is not None}
    made = (
        show.session(ctx)
        .api("feedback")
        .post("/v1/cases", {**who, **given, "subject": subject, "body": body})
    )
    _told(made, as_json=as_json, id_only=id_only)


@app.command()
def move(
    ctx: typer.Context,
    case: CaseId,
    state: Annotated[str, typer.Argument(help="The next state; `case show` lists the allowed.")],
    *,
    note: Note = "",
    as_json: show.AsJson = False,
) -> None:
    """Take a case one step on."""
    _move(ctx, case, state, note, as_json=as_json)


@app.command()
def answer(
    ctx: typer.Context, case: CaseId, *, note: Note = "", as_json: show.AsJson = False
) -> None:
    """Note that the customer was offered a response."""
    _move(ctx, case, "response_offered", note, as_json=as_json)


@app.command()
def close(
    ctx: typer.Context, case: CaseId, *, note: Note = "", as_json: show.AsJson = False
) -> None:
    """Close a case."""
    _move(ctx, case, "closed", note, as_json=as_json)


@app.command()
def reopen(
    ctx: typer.Context, case: CaseId, *, note: Note = "", as_json: show.AsJson = False
) -> None:
    """Reopen a closed case, on new clocks."""
    _move(ctx, case, "reopened", note, as_json=as_json)


@app.command("set")
def set_fields(
    ctx: typer.Context,
    case: CaseId,
    *,
    severity: Severity = None,
    category: Category = None,
    product: Product = None,
    order_id: Annotated[str | None, typer.Option(help="Which order.")] = None,
    tier: Tier = None,
    team: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who works on it.")] = None,
    channel: Channel = None,
    language: Language = None,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    version: SeenVersion = None,
    as_json: show.AsJson = False,
) -> None:
    """Say what is known of a case, and whose it is; its clocks go by the policy for that."""
    known = {
        "severity": severity,
        "category": category,
        "product": product,
        "tier": tier,
        "order_id": order_id,
        "team": team,
        "owner": owner,
        "channel": channel,
        "language": language,
        "version": version,
    }
    given = {name: value for name, value in known.items() if value is not None}
    api = show.session(ctx).api("feedback")
    _told(api.patch(_path(case), {**given, "reason": reason}), as_json=as_json)


@app.command()
def note(
    ctx: typer.Context,
    case: CaseId,
    text: Annotated[str, typer.Argument(help="What was done, or said; staff alone see it.")],
    *,
    kind: Annotated[
        str, typer.Option(help="note; contact: the customer was told; extended: a holding reply.")
    ] = "note",
    version: SeenVersion = None,
    as_json: show.AsJson = False,
) -> None:
    """Write down what was done: clocks go by what the customer was told."""
    body = {"kind": kind, "note": text, **({} if version is None else {"version": version})}
    api = show.session(ctx).api("feedback")
    _told(api.post(f"{_path(case)}/entries", body), as_json=as_json)


def _move(ctx: typer.Context, case: str, state: str, note: str, *, as_json: bool) -> None:
    api = show.session(ctx).api("feedback")
    _told(api.post(f"{_path(case)}/state", {"state": state, "note": note}), as_json=as_json)


def _path(case: str) -> str:
    return f"/v1/cases/{quote(case, safe='')}"


def _told(found: dict[str, Any], *, as_json: bool, id_only: bool = False) -> None:
    told = f"Case {found['number']} ({found['id']}) is {found['state']}."
    show.made(found, told, as_json=as_json, id_only=id_only)
