"""`rapport consent`: what a person has allowed, for each address and purpose, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rapport_cli import profiles, show

app = typer.Typer(help="What people have allowed.", no_args_is_help=True)
COLUMNS = ["contact_point", "channel", "purpose", "state", "confirmed", "lacks", "at", "source"]
WORDS = ["at", "contact_point", "channel", "purpose", "state", "source", "wording_version"]
RESTS_ON = ["method", "legal_basis", "actor", "reason", "evidence"]
AsOf = Annotated[
    str | None, typer.Option(help="What held at this instant: 2026-03-01T09:00:00Z.", metavar="AT")
]
Known = Annotated[
    str, typer.Option(help="then: by what was known at that instant; now: by all known today.")
]
Channel = Annotated[str, typer.Option(help="email, sms, …")]
Purpose = Annotated[str, typer.Option(help="promotion, survey, …")]
Point = Annotated[str, typer.Argument(help="The address or number that it is about.")]


@app.command("list")
def list_consents(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    as_of: AsOf = None,
    known: Known = "then",
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List a person's consents as they hold now, or held at an instant."""
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{profiles.id_of(api, kind, value)}/consents"
    answer = api.get(path, limit=limit, cursor=cursor, **_instant(as_of, known))
    if not as_json:
        # The API leaves out what is so by default.
        answer["items"] = [{"confirmed": True, **one} for one in answer["items"]]
    show.page(answer, COLUMNS, as_json=as_json)


@app.command()
def words(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List every word that is kept of a person, with what it rests on, newest first."""
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{profiles.id_of(api, kind, value)}/consents/words"
    answer = api.get(path, limit=limit, cursor=cursor)
    show.page(answer, [*WORDS, *RESTS_ON], as_json=as_json)


@app.command()
def why(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    contact_point: Point,
    *,
    channel: Channel = "email",
    purpose: Purpose = "promotion",
    as_of: AsOf = None,
    known: Known = "then",
    as_json: show.AsJson = False,
) -> None:
    """Say why a person may be written to, or not: what became of each of their words."""
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{profiles.id_of(api, kind, value)}/consents/why"
    asked = {"contact_point": contact_point, "channel": channel, "purpose": purpose}
    answer = api.get(path, **asked, **_instant(as_of, known))
    if as_json:
        show.data(answer)
        return
    show.line("Permitted." if answer["permitted"] else "Not permitted.")
    empty = "Nobody has said anything about it."
    show.rows(answer["words"], [*WORDS, "meaning"], empty=empty)


@app.command()
def note(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    contact_point: Point,
    state: Annotated[str, typer.Argument(help="granted, denied or withdrawn.")],
    *,
    reason: Annotated[str, typer.Option(help="Why it is noted: told me so on the phone.")],
    evidence: Annotated[str | None, typer.Option(help="Where the proof lies.")] = None,
    channel: Channel = "email",
    purpose: Purpose = "promotion",
    said_at: Annotated[str | None, typer.Option(help="When it was said; else now.")] = None,
    wording_version: Annotated[str | None, typer.Option(help="What they were asked.")] = None,
    legal_basis: Annotated[str | None, typer.Option(help="consent, contract, …")] = None,
    expires_at: Annotated[str | None, typer.Option(help="A yes ends then.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Note what somebody has said of a consent, in your name."""
    api = show.session(ctx).api("profile")
    path = f"/v1/profiles/{profiles.id_of(api, kind, value)}/consents"
    body = {
        "contact_point": contact_point,
        "channel": channel,
        "purpose": purpose,
        "state": state,
        "reason": reason,
        "evidence": evidence,
        "said_at": said_at,
        "wording_version": wording_version,
        "legal_basis": legal_basis,
        "expires_at": expires_at,
    }
    answer = api.post(path, {name: one for name, one in body.items() if one is not None})
    if as_json:
        show.data(answer)
    else:
        show.line(f"Noted. It holds in a moment: event {answer['message_id']}.")


@app.command()
def link(
    ctx: typer.Context,
    kind: profiles.Kind,
    value: profiles.Value,
    contact_point: Point,
    *,
    reason: Annotated[str, typer.Option(help="Why it is made: asked for it on the phone.")],
    as_json: show.AsJson = False,
) -> None:
    """Make a link to a person's page of preferences: for them, as whoever has it can choose."""
    session = show.session(ctx)
    person = profiles.id_of(session.api("profile"), kind, value)
    body = {"profile_id": person, "address": contact_point, "reason": reason}
    answer = session.api("campaign").post("/v1/preference-links", body)
    if as_json:
        show.data(answer)
    else:
        show.line(answer["url"])


def _instant(as_of: str | None, known: str) -> dict[str, Any]:
    return {} if as_of is None else {"as_of": as_of, "known": known}
