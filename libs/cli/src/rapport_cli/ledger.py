"""`rapport ledger`: prove that nothing was lost and nothing doubled."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from rapport_cli import maildir, show
from rapport_cli.client import Session
from rapport_cli.config import SERVICES
from rapport_cli.equations import Equation, Ledgers, equations, settled
from rapport_cli.errors import CliError
from rapport_cli.patience import patience

app = typer.Typer(help="The ledger: what must add up.", no_args_is_help=True)
POLL_SECONDS = 0.5
QUIET_SECONDS = 20.0


@app.callback()
def group() -> None:
    """Keep `verify` a command of its own, though it is the only one so far."""


@app.command()
def verify(
    ctx: typer.Context,
    *,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait for quiet.", min=0)] = None,
    folder: Annotated[Path | None, typer.Option("--maildir", help="Count these mails too.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Check every equation over all services; exit code 1 when one does not hold."""
    session = show.session(ctx)
    found = checked(session, folder or session.config.maildir, _given(wait))
    broken = [one for one in found if not one.holds]
    if as_json:
        show.data({"ok": not broken, "equations": [one.as_json() for one in found]})
    else:
        _print(found)
    if broken:
        raise typer.Exit(1)


def _given(wait: float | None) -> float:
    return patience(QUIET_SECONDS) if wait is None else wait


def checked(session: Session, mails: Path, wait: float) -> list[Equation]:
    """Return the equations once all hold twice over the same numbers, or when `wait` has passed.

    Numbers are read from one service after the other: under traffic they can't match.
    """
    deadline = time.monotonic() + wait
    before: list[Equation] = []
    while True:
        ledgers = read(session)
        found = equations(ledgers, _send_keys(mails))
        quiet = found == before and settled(ledgers) and all(one.holds for one in found)
        if quiet or time.monotonic() >= deadline:
            return found
        before = found
        time.sleep(POLL_SECONDS)  # noqa: TID251 - a command line has no event loop to block


def read(session: Session) -> Ledgers:
    """Ask every service for its ledger, the first of the flow first."""
    return {name: session.api(name, installation=True).get("/v1/ledger") for name in SERVICES}


def _send_keys(folder: Path) -> Counter[str] | None:
    try:
        return maildir.send_keys(folder)
    except CliError:
        return None  # mails go elsewhere: their equations are left out


def _print(found: list[Equation]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for one in found:
        verdict = Text("ok", "green") if one.holds else Text("BROKEN", "bold red")
        table.add_row(verdict, Text(one.says), Text(one.numbers))
    show.console.print(table)
    broken = sum(not one.holds for one in found)
    if broken:
        show.line(
            f"{broken} of {len(found)} equations do not hold. If events are still flowing, wait "
            "longer (--wait 60); else `rapport dead-letter list` and the logs tell more."
        )
