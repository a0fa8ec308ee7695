"""What the commands print: tables and key-value lists for people, JSON for programs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rapport_cli.client import Session
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PIPE_WIDTH = 200  # columns for tables that go to a file or another program
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)")

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console = Console(highlight=False, soft_wrap=True, width=PIPE_WIDTH)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

IdOnly = Annotated[bool, typer.Option("--id", help="Print only the id, for scripts.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=1000)]
Cursor = Annotated[str | None, typer.Option(help="`next` of the page before.")]
Installation = Annotated[
    bool, typer.Option("--installation", help="All workspaces', and what names none.")
]
Service = Annotated[str, typer.Option(help="ingest, profile, segment, campaign or feedback.")]


def session(ctx: typer.Context) -> Session:
    """Return the session that the root command made."""
    if not isinstance(ctx.obj, Session):
        message = "the root command did not run"
        raise TypeError(message)
    return ctx.obj


def data(value: Any) -> None:
    """Print JSON, one member per line."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def line(text: str) -> None:
    """Print one line, whatever brackets are in it."""
    console.print(Text(text))


def note(text: str) -> None:
    """Print one line on stderr: what a program that reads stdout does not want."""
    errors.print(Text(text, style="dim"))


def rows(
    found: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str = "None."
) -> None:
    """Print one row per mapping under the names of `columns`; `empty` when there is none."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for one in found:
        table.add_row(*(cell(one.get(column)) for column in columns))
    console.print(table if table.row_count else Text(empty))


def page(
    answer: Mapping[str, Any], columns: Sequence[str], *, empty: str = "None.", as_json: bool
) -> None:
    """Print a page of a list, and how to get the next one."""
    if as_json:
        data(answer)
        return
    rows(answer["items"], columns, empty=empty)
    more(answer)


def more(answer: Mapping[str, Any]) -> None:
    """Say on stderr how to see the next page, when there is one."""
    if answer.get("next"):
        note(f"There are more: --cursor {answer['next']}")


def pairs(values: Mapping[str, Any], named: Mapping[str, Any] | None = None) -> None:
    """Print a name and a value per line; names in `named` are somebody's and stay as they are."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    ours = {key.replace("_", " "): value for key, value in values.items()}
    for key, value in [*ours.items(), *(named or {}).items()]:
        table.add_row(Text(key, style="bold"), cell(value))
    console.print(table)


def cell(value: Any) -> Text:
    """Return a value as people write it."""
    if value is None or value in ({}, []):
        return Text("–", style="dim")
    if isinstance(value, dict):
        return Text(", ".join(f"{key} {cell(member)}" for key, member in value.items()))
    if isinstance(value, list):
        return Text(", ".join(str(cell(member)) for member in value))
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    text = str(value)
    # Only a whole value is a time of its own; one inside a message is part of what it says.
    instant = INSTANT.fullmatch(text)
    return Text(f"{instant[1]} {instant[2]} UTC" if instant else text)


def made(answer: Mapping[str, Any], told: str, *, as_json: bool, id_only: bool = False) -> None:
    """Print what a call made or changed: as JSON, by its id, or in one line for people."""
    if as_json:
        data(answer)
    else:
        line(str(answer["id"]) if id_only else told)


def notice(text: str) -> None:
    """Print one line for people on stderr, beside what a program reads."""
    errors.print(Text(text))


def failure(error: CliError) -> None:
    """Print an error in one line on stderr."""
    errors.print(Text("error: ", style="bold red").append(error.message, style="not bold default"))
