"""What is stored of a plan, compared with what was sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.sdks.clients import Client
from tests.sdks.plan import Call
from tests.support.fault_proxy import Fault

CLOSE = timedelta(seconds=3)
Stored = dict[str, Any]
Key = tuple[str, str | None, Any]
"""What tells one call from the other: its kind, and its number, or the person and the rest."""


@dataclass
class Outcome:
    """One client's run."""

    client: Client
    calls: Sequence[Call]
    began: datetime
    ended: datetime
    played: Sequence[Fault] = ()
    left: Sequence[Fault] = ()
    requests: int = 0
    stored: list[Stored] = field(default_factory=list)
    captured: set[str | None] = field(default_factory=set)
    total: int = 0
    failure: str = ""

    @property
    def twice(self) -> int:
        """How many events are stored beyond the first of each call."""
        return sum(n - 1 for n in Counter(stored_key(one) for one in self.stored).values())

    def breaches(self) -> list[str]:
        """Everything that is not as it was sent; empty is the goal."""
        found = [f"the client failed: {self.failure}"] if self.failure else []
        if self.left:
            found.append(f"it ended before these faults were played: {self.left}")
        missed = [name for name in self.client.captures if name not in self.captured]
        if missed:
            found.append(f"the SDK captured nothing by itself of {missed}")
        kept: dict[Key, Stored] = {stored_key(one): one for one in self.stored}
        wanted = {sent_key(call): call for call in self.calls}
        found += [f"missing: {wanted[key]}" for key in wanted.keys() - kept.keys()]
        found += [f"never sent: {kept[key]}" for key in kept.keys() - wanted.keys()]
        if self.twice:
            found.append(f"{self.twice} stored twice")
        if self.total != len(self.calls):
            found.append(f"the workspace has {self.total} events of {len(self.calls)} sent")
        for key in wanted.keys() & kept.keys():
            found += self._differences(wanted[key], kept[key])
        return found

    def _differences(self, sent: Call, stored: Stored) -> Iterator[str]:
        for name, want in _fields(sent).items():
            late = name == "user_id" and want is None and self.client.late_user
            if stored.get(name) != want and not late:
                yield f"{sent}: {name} is {stored.get(name)!r}"
        body = stored.get("traits" if sent.kind in {"identify", "group"} else "properties") or {}
        for name, want in sent.data.items():
            # Snowplow's own fields are strings; 1 and 1.0 are one number in JSON.
            if body.get(name) != want:
                yield f"{sent}: {name} is {body.get(name)!r} instead of {want!r}"
        at = datetime.fromisoformat(stored["timestamp"])
        if not self.began - CLOSE <= at <= self.ended + CLOSE:
            yield f"{sent}: timestamp {at} is not between {self.began} and {self.ended}"


def _fields(sent: Call) -> dict[str, Any]:
    wanted = {
        "type": sent.kind,
        "name": sent.name,
        "user_id": sent.user,
        "group_id": sent.group,
        "previous_id": sent.previous,
    }
    if sent.anonymous:
        wanted["anonymous_id"] = sent.anonymous
    return wanted


def sent_key(call: Call) -> Key:
    """How a call is known again."""
    if "n" in call.data:
        return (call.kind, None, call.data["n"])
    return (call.kind, call.user, call.previous)


def stored_key(event: Stored) -> Key:
    """The same of what was stored."""
    body = _body(event)
    if "n" in body:
        return (event["type"], None, body["n"])
    return (event["type"], event.get("user_id"), event.get("previous_id"))


def _body(event: Stored) -> dict[str, Any]:
    return event.get("traits" if event["type"] in {"identify", "group"} else "properties") or {}


def is_captured(event: Stored) -> bool:
    """Whether the SDK sent it by itself: each call of a browser's plan has a number."""
    return "n" not in _body(event)


def captured(events: Iterable[Stored]) -> set[str | None]:
    """The names of what an SDK sent by itself; a view has none."""
    return {one.get("name") for one in events if is_captured(one)}


HEADINGS = (
    *("client", "version", "mode", "faults played", "requests"),
    *("sent", "stored", "twice", "verdict"),
)


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The table of `make sdk-table`, a line each."""
    rows = [HEADINGS, *(_row(one) for one in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(outcome: Outcome) -> tuple[str, ...]:
    client = outcome.client
    faults = [one for one in outcome.played if one != "pass"]
    said = " ".join(faults) + (f" [{client.note}]" if client.note else "")
    kept = len({stored_key(one) for one in outcome.stored})
    count = (outcome.requests, len(outcome.calls), kept, outcome.twice)
    verdict = "FAILED" if outcome.breaches() else "exact"
    return (client.name, client.version, client.mode, said, *map(str, count), verdict)
