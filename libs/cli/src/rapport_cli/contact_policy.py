"""`rapport contact-policy`: how often people are asked something."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import rules, show

PATH = "/v1/contact-policy"
PARTS = ("any_survey_days", "this_survey_days", "surveys")
File = Annotated[str, typer.Argument(help='{"any_survey_days": 30, …} in a file, or - .')]
app = rules.rules_app(PATH, "How often people are asked something.", "feedback")


@app.command("set")
def set_policy(
    ctx: typer.Context, file: File, *, reason: rules.Reason, as_json: show.AsJson = False
) -> None:
    """Let the policy in a file hold from now on, also for what is planned; as a whole."""
    answer = rules.put(show.session(ctx).api("feedback"), PATH, rules.read(file, PARTS), reason)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")
