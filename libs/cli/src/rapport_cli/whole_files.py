"""Files that are whole or not there: written beside their place, and put into it at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rapport_cli import show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS = ("csv", "jsonl", "parquet")


def format_of(file: Path) -> str:
    """Return the form that a file's name says; raises `bad_file`."""
    for form in FORMATS:
        if form in file.name.lower().split("."):
            return form
    message = f"{file}: its name says what it is to be: .csv, .jsonl or .parquet."
    raise CliError("bad_file", message)


@contextmanager
def whole(file: Path, *, as_json: bool) -> Iterator[Path]:
    """Yield where to write; what is there at the end becomes the file, and is told."""
    part = file.with_name(f"{file.name}.part")
    try:
        yield part
        size = part.stat().st_size
        part.replace(file)
    except OSError as error:
        raise CliError("bad_file", f"{file} can't be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    if as_json:
        show.data({"file": str(file), "bytes": size})
    else:
        show.line(f"{file} is written: {size:,} bytes.")
