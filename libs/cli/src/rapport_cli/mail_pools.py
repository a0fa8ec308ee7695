"""`rapport mail-pools`: by which of the installation's mail servers mails go."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import rules, show

PATH = "/v1/mail-pools"
PARTS = ("rules", "pools")
File = Annotated[str, typer.Argument(help='{"rules": [{"pool": …}, …]} in a file, or - .')]
app = rules.rules_app(PATH, "By which of the installation's mail servers mails go.", "campaign")


@app.command("set")
def set_rules(
    ctx: typer.Context, file: File, *, reason: rules.Reason, as_json: show.AsJson = False
) -> None:
    """Let the rules in a file hold, as a whole; it takes a token with the claim `installation`."""
    api = show.session(ctx).api("campaign", installation=True)
    given = rules.read(file, PARTS)
    # What `show` tells besides: the installation's settings say which there are.
    given.pop("pools", None)
    answer = rules.put(api, PATH, given, reason)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")
