"""`rapport timeline-rules`: how long events of which class stay on timelines."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import rules, show

PATH = "/v1/timeline-rules"
File = Annotated[str, typer.Argument(help='{"classes": [{"types": ["page"], "days": 90}]}, or - .')]
app = rules.rules_app(PATH, "How long events of which class stay.")


@app.command("set")
def set_rules(
    ctx: typer.Context, file: File, *, reason: rules.Reason, as_json: show.AsJson = False
) -> None:
    """Let the rules in a file hold: what is over its time goes within a day, its sums stay."""
    api = show.session(ctx).api("profile")
    answer = rules.put(api, PATH, rules.read(file, ["classes"], needs="classes"), reason)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")
