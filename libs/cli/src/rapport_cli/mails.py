"""`rapport mail`: what the local mail catcher has kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport_cli import maildir, show

app = typer.Typer(help="Mails kept by the local mail catcher.", no_args_is_help=True)
Maildir = Annotated[Path | None, typer.Option("--maildir", help="Default: of the local runtime.")]
HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", maildir.SEND_KEY)


@app.command("list")
def list_mails(
    ctx: typer.Context,
    *,
    folder: Maildir = None,
    to: Annotated[str, typer.Option(help="Only to addresses with this in them.")] = "",
    limit: show.Limit = 20,
    as_json: show.AsJson = False,
) -> None:
    """List the newest mails, the newest last."""
    everything = maildir.mails(folder or show.session(ctx).config.maildir)
    if to:
        everything = [mail for mail in everything if to in str(mail.message()["To"])]
    found = [mail.summary() for mail in everything[-limit:]]
    if as_json:
        show.data({"mails": found, "of": len(everything)})
        return
    show.rows(found, ["number", "date", "to", "subject"], empty="There are no mails.")
    show.line(f"{len(found)} of {len(everything)} mails. `rapport mail show NUMBER` prints one.")


@app.command("show")
def show_mail(
    ctx: typer.Context,
    wanted: Annotated[str, typer.Argument(help="Number, id or Message-ID.")],
    *,
    folder: Maildir = None,
    html: Annotated[bool, typer.Option("--html", help="The HTML part.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The source, as it came.")] = False,
) -> None:
    """Print one mail: the main headers and the text."""
    mail = maildir.find(folder or show.session(ctx).config.maildir, wanted)
    if raw:
        typer.echo(mail.path.read_bytes(), nl=False)
        return
    message = mail.message()
    show.pairs({name: str(message[name]) for name in HEADERS if message[name]})
    typer.echo()
    typer.echo(maildir.body_of(message, html=html))
