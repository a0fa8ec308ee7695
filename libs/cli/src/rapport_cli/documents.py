"""What is given on the command line: JSON objects, written out, in a file, or on standard input;
and values with names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rapport_cli.errors import CliError


def read(given: str, what: str) -> dict[str, Any]:
    """Return the JSON object in `given`, `@FILE` or `-`; raises `bad_json` naming `what`."""
    try:
        document = json.loads(_text(given, what))
    except ValueError as error:
        # json's own say the place; the other one is of Python's, for a number of endless digits.
        why = error if isinstance(error, json.JSONDecodeError) else "a number has too many digits"
        message = f"The {what} is not JSON: {why}. Quote it for the shell, or use @FILE."
        raise CliError("bad_json", message) from error
    if not isinstance(document, dict):
        message = f'The {what} must be a JSON object: {{"name": value, …}}.'
        raise CliError("bad_json", message)
    return document


def named(given: str, option: str) -> tuple[str, str]:
    """Return the name and the value of `NAME=VALUE`; raises `bad_usage` naming the option."""
    name, separator, value = given.partition("=")
    if not (name and separator):
        raise CliError("bad_usage", f"{option} {given}: it is NAME=VALUE.")
    return name, value


def text(file: str, what: str) -> str:
    """Return the text of a file, `-` for standard input; raises `bad_file` naming `what`."""
    return _text(file if file == "-" else f"@{file}", what)


def _text(given: str, what: str) -> str:
    if given == "-":
        return sys.stdin.read()
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"The {what}'s file {given[1:]} can't be read: {error}."
        raise CliError("bad_file", message) from error
