"""`rapport timeline-rules`: how long events of which class stay on timelines."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError

app = typer.Typer(help="How long events of which class stay.", no_args_is_help=True)
PATH = "/v1/timeline-rules"
COLUMNS = ["version", "created_at", "actor", "reason"]
File = Annotated[str, typer.Argument(help='{"classes": [{"types": ["page"], "days": 90}]}, or - .')]


@app.command("show")
def show_rules(ctx: typer.Context) -> None:
    """Print the rules that hold, as a file that can be changed and set again."""
    show.data(show.session(ctx).api("profile").get(PATH))


@app.command()
def history(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = show.session(ctx).api("profile").get(f"{PATH}/history", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("set")
def set_rules(
    ctx: typer.Context,
    file: File,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the rules.")],
    as_json: show.AsJson = False,
) -> None:
    """Let the rules in a file hold: what is over its time goes within a day, its sums stay."""
    api = show.session(ctx).api("profile")
    given = documents.read(file if file == "-" else f"@{file}", "rules")
    unknown = given.keys() - {"classes", *COLUMNS}
    if unknown or "classes" not in given:
        names = f", and no {', '.join(sorted(unknown))}" if unknown else ""
        raise CliError("bad_rules", f"Rules have `classes`{names}.")
    # A file that was printed by `show` says which rules it comes from: nobody's are written over.
    version = given.get("version")
    known = api.get(PATH)["version"] if version is None else version
    body = {"classes": given["classes"], "version": known, "reason": reason}
    answer = api.put(PATH, body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")
