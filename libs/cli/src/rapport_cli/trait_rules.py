"""`rapport trait-rules`: what a trait is, and which of what was said about it counts."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import merge_rules, rules, show

PATH = "/v1/trait-rules"
File = Annotated[str, typer.Argument(help='{"traits": {"plan": {"rule": "first"}}}, or - .')]
app = rules.rules_app(PATH, "What traits are, and which of what was said about them counts.")


@app.command("set")
def set_rules(
    ctx: typer.Context,
    file: File,
    *,
    reason: rules.Reason,
    wait: merge_rules.Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Let the rules in a file hold from now on; a job weighs anew what was said before."""
    api = show.session(ctx).api("profile")
    answer = rules.put(api, PATH, rules.read(file, ["traits"], needs="traits"), reason)
    merge_rules.print_change(api, answer, wait=wait, as_json=as_json)
