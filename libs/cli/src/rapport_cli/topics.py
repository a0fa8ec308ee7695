"""`rapport topics`: what people choose among on their page of preferences."""

from __future__ import annotations

from typing import Annotated

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError

app = typer.Typer(help="What people choose among on their page.", no_args_is_help=True)
PATH = "/v1/topics"
COLUMNS = ["version", "created_at", "actor", "reason"]
File = Annotated[str, typer.Argument(help='{"topics": […]} in a file, or - .')]


@app.command("show")
def show_topics(ctx: typer.Context) -> None:
    """Print the topics that hold, as a file that can be changed and set again."""
    show.data(show.session(ctx).api("campaign").get(PATH))


@app.command()
def history(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = show.session(ctx).api("campaign").get(f"{PATH}/history", limit=limit, cursor=cursor)
    show.page(answer, COLUMNS, as_json=as_json)


@app.command("set")
def set_topics(
    ctx: typer.Context,
    file: File,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the topics.")],
    as_json: show.AsJson = False,
) -> None:
    """Let people choose among the topics in a file; what they have said stays."""
    api = show.session(ctx).api("campaign")
    given = documents.read(file if file == "-" else f"@{file}", "topics")
    unknown = given.keys() - {"topics", *COLUMNS}
    if unknown or "topics" not in given:
        message = 'The file has "topics", a list, in the order in which they are shown.'
        raise CliError("bad_topics", message)
    # A file that was printed by `show` says which it comes from: nobody's are written over.
    version = given.get("version")
    known = api.get(PATH)["version"] if version is None else version
    body = {"topics": given["topics"], "version": known, "reason": reason}
    answer = api.put(PATH, body)
    if as_json:
        show.data(answer)
    else:
        show.line(f"Version {answer['version']} holds.")
