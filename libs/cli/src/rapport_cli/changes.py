"""Repairs written on the command line: `--rename a=b --cast c=number …`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rapport_cli.errors import CliError

Transform = dict[str, Any]

Map = Annotated[
    Path | None, typer.Option("--map", help="A file with a JSON list of changes, made first.")
]
Rename = Annotated[list[str] | None, typer.Option(help="OLD=NEW, as properties.amount=…")]
Default = Annotated[list[str] | None, typer.Option(help="PATH=VALUE where there is none.")]
Cast = Annotated[
    list[str] | None, typer.Option(help="PATH=string|number|integer|boolean|datetime.")
]
Hash = Annotated[list[str] | None, typer.Option(help="PATH: SHA-256 in place of the value.")]
Drop = Annotated[list[str] | None, typer.Option(help="PATH to take out.")]
For = Annotated[str | None, typer.Option("--for", help="Only for events of this name.")]


def changes(
    file: Path | None,
    *,
    rename: list[str] | None,
    default: list[str] | None,
    cast: list[str] | None,
    hashed: list[str] | None,
    drop: list[str] | None,
    event: str | None,
) -> list[Transform]:
    """The changes in the order in which they are made: the file's, then kind by kind."""
    found: list[Transform] = [] if file is None else _read(file)
    made: list[Transform] = []
    for path, to in map(_pair, rename or []):
        made.append({"op": "rename", "path": path, "to": to})
    for path, value in map(_pair, default or []):
        made.append({"op": "default", "path": path, "value": _value(value)})
    for path, kind in map(_pair, cast or []):
        made.append({"op": "cast", "path": path, "type": kind})
    made += [{"op": "hash", "path": one} for one in hashed or []]
    made += [{"op": "drop", "path": one} for one in drop or []]
    if event is not None:
        made = [{**one, "event": event} for one in made]
    return found + made


def _pair(given: str) -> tuple[str, str]:
    name, separator, value = given.partition("=")
    if not separator or not name or not value:
        message = f"'{given}' must look like properties.amount=properties.total."
        raise CliError("bad_change", message)
    return name, value


def _value(given: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(given)
    except ValueError:
        return given


def _read(file: Path) -> list[Transform]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        message = f"The changes in {file} can't be read: {error}."
        raise CliError("bad_file", message) from error
    if not isinstance(found, list):
        message = f'{file} must hold a JSON list: [{{"op": "drop", "path": "properties.x"}}].'
        raise CliError("bad_file", message)
    return found
