"""`rapport consent-rules`: what a yes needs to count, by purpose."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import merge_rules, rules, show

PATH = "/v1/consent-rules"
File = Annotated[
    str, typer.Argument(help='{"purposes": {"promotion": {"double_opt_in": true}}}, or - .')
]
app = rules.rules_app(PATH, "What a yes needs to count, by purpose.")


@app.command("set")
def set_rules(
    ctx: typer.Context,
    file: File,
    *,
    reason: rules.Reason,
    wait: merge_rules.Wait = False,
    as_json: show.AsJson = False,
) -> None:
    """Let the rules in a file hold from now on; a job judges anew what was said before."""
    api = show.session(ctx).api("profile")
    answer = rules.put(api, PATH, rules.read(file, ["purposes"], needs="purposes"), reason)
    merge_rules.print_change(api, answer, wait=wait, as_json=as_json)
