"""Exported events in JSON Lines, read in batches and sent under ids that stay the same."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from rapport_cli.client import trusted
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BATCH_EVENTS = 500
BATCH_BYTES = 2**20
SECONDS = 30.0
TRIES = 30
BUSY = {429, 503}
# A canonical record's field, and what Segment's API calls it.
SEGMENT_NAMES = {
    "message_id": "messageId",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "previous_id": "previousId",
    "group_id": "groupId",
}
KEPT = ("type", "timestamp", "properties", "traits", "context")


@dataclass(frozen=True)
class Line:
    """An event to send, and where in the file it is."""

    number: int
    event: dict[str, Any]
    size: int


@dataclass
class Sent:
    """How far the file is sent, and the verdicts."""

    lines: int = 0
    accepted: int = 0
    rejected: int = 0

    def add(self, other: Sent) -> None:
        """Count the other's verdicts too."""
        self.accepted += other.accepted
        self.rejected += other.rejected


def batches(path: Path, from_line: int) -> Iterator[list[Line]]:
    """The file's events from a line on; raises `bad_file` with the line that is none."""
    batch: list[Line] = []
    size = 0
    for line in _lines(path, from_line):
        if batch and (len(batch) == BATCH_EVENTS or size + line.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.size
    if batch:
        yield batch


def _lines(path: Path, from_line: int) -> Iterator[Line]:
    number = 0
    try:
        with path.open("rb") as opened:
            for number, raw in enumerate(opened, 1):
                if number >= from_line and raw.strip():
                    yield Line(number, event_of(json.loads(raw), raw, number), len(raw))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path}, line {number}: {error}."
        raise CliError("bad_file", message, {"line": number}) from error


def event_of(found: Any, raw: bytes, number: int) -> dict[str, Any]:
    """The event in Segment's shape, with an id that is the same each time the file is sent.

    ValueError when it is no JSON object.
    """
    if not isinstance(found, dict):
        message = "an event is a JSON object"
        raise ValueError(message)  # noqa: TRY004 - what is wrong is the line, not the program
    event = _segment_shaped(found) if "message_id" in found else dict(found)
    # The time of sending was that of the first time; it must not correct the clock once more.
    event.pop("sentAt", None)
    if not event.get("messageId"):
        event["messageId"] = f"{hashlib.sha256(raw.strip()).hexdigest()[:40]}-{number}"
    return event


def _segment_shaped(record: dict[str, Any]) -> dict[str, Any]:
    """A canonical record as Segment's SDKs would send it."""
    event = {key: record[key] for key in KEPT if key in record}
    named = _names(record)
    said = {**record, **named}
    event |= {SEGMENT_NAMES[key]: said[key] for key in SEGMENT_NAMES if said.get(key)}
    if record.get("name"):
        event["event" if record.get("type") == "track" else "name"] = record["name"]
    traits = event.get("traits") or {}
    nested = (event.get("context") or {}).get("traits") or {}
    if named.get("email") and "email" not in traits and "email" not in nested:
        event["traits"] = {**traits, "email": named["email"]}
    return event


def _names(record: dict[str, Any]) -> dict[str, Any]:
    """The first identifier of each kind; a record of the first version has three, by name."""
    if "identifiers" not in record:
        return {kind: record.get(kind) for kind in ("user_id", "email", "anonymous_id")}
    return dict(reversed(record["identifiers"]))


class Sender:
    """Sends batches to /v1/batch; waits while ingest asks for patience."""

    def __init__(self, url: str, write_key: str, rate: int | None) -> None:
        self._url = url
        self._key = write_key
        self._rate = rate
        self._due = 0.0

    def send(self, batch: Sequence[Line]) -> Sent:
        """Send one batch; raises CliError when it can't be."""
        time.sleep(max(0.0, self._due - time.monotonic()))  # noqa: TID251 - a command line has no event loop
        if self._rate is not None:
            self._due = max(self._due, time.monotonic()) + len(batch) / self._rate
        body = {"batch": [one.event for one in batch]}
        for _ in range(TRIES):
            response = self._post(body)
            if response.status_code not in BUSY:
                break
            time.sleep(float(response.headers.get("Retry-After") or 1))  # noqa: TID251 - a command line has no event loop
        if not response.is_success:
            message = f"ingest ({response.status_code}): {response.text[:300]}"
            raise CliError("refused", message, {"status": response.status_code})
        answer = response.json()
        return Sent(accepted=answer["accepted"], rejected=answer["rejected"])

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        try:
            return httpx.post(
                f"{self._url}/v1/batch",
                json=body,
                auth=(self._key, ""),
                timeout=SECONDS,
                verify=trusted(self._url),
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"ingest does not answer at {self._url}: {error}."
            raise CliError("unreachable", message) from error
