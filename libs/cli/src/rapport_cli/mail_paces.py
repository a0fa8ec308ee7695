"""`rapport mail-paces`: how fast mails go to a provider, and how a sender domain is warmed up."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import rules, show

PATH = "/v1/mail-paces"
PARTS = ("paces", "warmups", "slow_down")
COLUMNS = ["lane", "waiting", "in_hand", "percent", "sent_today", "allowed_today"]
File = Annotated[str, typer.Argument(help='{"paces": […], "warmups": […], …} in a file, or - .')]
app = rules.rules_app(PATH, "How fast mails go to whom, and warm-ups.", "campaign")


@app.command("set")
def set_rules(
    ctx: typer.Context, file: File, *, reason: rules.Reason, as_json: show.AsJson = False
) -> None:
    """Let the rules in a file hold from now on, also for what is planned; as a whole."""
    answer = rules.put(show.session(ctx).api("campaign"), PATH, rules.read(file, PARTS), reason)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")


@app.command()
def standing(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """How each pace and warm-up stands: what waits for it, whether it was slowed."""
    found = show.session(ctx).api("campaign").get(f"{PATH}/standing")
    if as_json:
        show.data(found)
    else:
        show.rows(found["lanes"], COLUMNS, empty="no paces")
