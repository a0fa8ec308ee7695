"""The logs of all components as one: merged by time, one form whatever each component writes."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rapport_local.paths import Home

# ISO time, as Kafka and our services write it, or Postgres' form of it.
TIME = re.compile(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d\.\d+)(?:Z| UTC)?\s*")
LEVEL = re.compile(r"\b(DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|PANIC|CRITICAL)\b")
COLOURS = (
    "cyan",
    "magenta",
    "blue",
    "green",
    "yellow",
    "bright_cyan",
    "bright_magenta",
    "bright_blue",
)
STYLES = {"warn": "yellow", "warning": "yellow", "error": "red", "fatal": "bold red"}
STYLES |= {"critical": "bold red", "panic": "bold red", "debug": "dim"}
TAIL_BYTES = 256 * 1024
FOLLOW_SECONDS = 0.2


@dataclass(frozen=True, order=True)
class Line:
    """One line; `at` is its ISO time without zone (all are UTC), taken from the line above it if
    it has none of its own.
    """

    at: str
    component: str = field(compare=False)
    text: str = field(compare=False)
    level: str = field(compare=False, default="")


class Parser:
    """Reads the lines of one component, in order."""

    def __init__(self, component: str) -> None:
        self._component = component
        self._at = ""

    def parse(self, raw: str) -> Line:
        """Take one line apart: JSON as our services write it, else plain text."""
        return self._json(raw) if raw.startswith("{") else self._plain(raw)

    def _json(self, raw: str) -> Line:
        try:
            record = json.loads(raw)
        except ValueError:
            return self._plain(raw)
        self._at = str(record.pop("time", self._at)).removesuffix("Z")
        level, event = str(record.pop("level", "")), str(record.pop("event", ""))
        record.pop("service", None)
        trace = record.pop("exception", None)
        facts = " ".join(f"{key}={value}" for key, value in record.items())
        text = " ".join(filter(None, [event, facts]))
        return Line(self._at, self._component, f"{text}\n{trace}" if trace else text, level)

    def _plain(self, raw: str) -> Line:
        found = TIME.match(raw)
        if found:
            self._at = f"{found[1]}T{found[2]}"
            raw = raw[found.end() :]
        level = LEVEL.search(raw[:60])
        return Line(self._at, self._component, raw, level[1].lower() if level else "")


class _Reader:
    """Follows one log file, also when it is cut."""

    def __init__(self, component: str, path: Path) -> None:
        self._path = path
        self._parser = Parser(component)
        self._at = max(0, self._size() - TAIL_BYTES)
        self._skip_part = self._at > 0
        self._rest = b""

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> list[Line]:
        """Return what has been written since the last call; half a line is kept for the next."""
        size = self._size()
        if size < self._at:
            self._at, self._rest = 0, b""
        if size == self._at:
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = self._rest + file.read()
            self._at = file.tell()
        *lines, self._rest = data.split(b"\n")
        if self._skip_part:
            lines, self._skip_part = lines[1:], False
        return [self._parser.parse(raw.decode(errors="replace")) for raw in lines if raw.strip()]


def read(home: Home, components: Sequence[str], *, last: int, follow: bool) -> Iterator[Line]:
    """Give the last lines of the components in order of time, then new ones for ever if wanted."""
    readers = [_Reader(name, home.log(name)) for name in components]
    yield from sorted(chain.from_iterable(reader.read() for reader in readers))[-last:]
    while follow:
        time.sleep(FOLLOW_SECONDS)
        yield from sorted(chain.from_iterable(reader.read() for reader in readers))


def render(line: Line, components: Sequence[str]) -> Text:
    """Colour a line: one colour per component, warnings yellow, errors red."""
    colour = COLOURS[components.index(line.component) % len(COLOURS)]
    width = max(map(len, components))
    text = Text(f"{line.at[11:23]:12} ", style="dim")
    text.append(f"{line.component:{width}} │ ", style=colour)
    text.append(line.text, style=STYLES.get(line.level, ""))
    return text
