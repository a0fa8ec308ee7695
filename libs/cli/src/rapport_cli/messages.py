"""`rapport message`: one service message to one address, and what became of any message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from rapport_cli import documents, show

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Single messages, and what became of any.", no_args_is_help=True)
PATH = "/v1/messages"
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]
MessageId = Annotated[str, typer.Argument(help="The message's id (its send key).")]


@app.command()
def send(
    ctx: typer.Context,
    document: Document,
    *,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Send one service message, ahead of all campaigns: {"to", "subject", "html", "data"}."""
    answer = _api(ctx).post(PATH, documents.read(document, "message"))
    told = f"Message {answer['id']} is {answer['state']}."
    show.made(answer, told, as_json=as_json, id_only=id_only)


@app.command("show")
def show_message(
    ctx: typer.Context, message_id: MessageId, *, as_json: show.AsJson = False
) -> None:
    """Show what became of a message, of a campaign or a single one."""
    found = _api(ctx).get(f"{PATH}/{quote(message_id, safe='')}")
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")
