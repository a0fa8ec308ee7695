"""`rapport contact-rules`: how often, when and whom campaigns write to."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import rules, show

PATH = "/v1/contact-rules"
PARTS = ("timezone", "quiet_hours", "caps", "once_per_address_days", "detractors")
File = Annotated[str, typer.Argument(help='{"caps": […], "quiet_hours": […], …} in a file, or - .')]
app = rules.rules_app(PATH, "How often and when campaigns write to somebody.", "campaign")


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
