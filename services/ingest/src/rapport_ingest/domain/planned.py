"""What a source's tracking plan makes of an event."""

from dataclasses import dataclass
from typing import Any

from rapport_common.events.envelope import Event
from rapport_ingest.domain.plan import Violation, part_of
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.set_once import all_told
from rapport_ingest.domain.source import Action
from rapport_ingest.domain.verdict import Refusal

UNPLANNED = "unplanned"


@dataclass(frozen=True, slots=True)
class Breach:
    """What an event breaks, never nothing, and what its source's policy wants done about it."""

    action: Action
    version: str
    found: list[Violation]

    @property
    def unplanned(self) -> bool:
        """Whether the plan does not have the event at all."""
        return self.found[0].rule == UNPLANNED

    def refusal(self, event: Event) -> Refusal | None:
        """The event's refusal, where the policy says so."""
        return _refusal(event, self.found) if self.action == "reject" else None


def breach(sender: Sender, event: Event, fields: dict[str, Any]) -> Breach | None:
    """What the event breaks, if the policy does not allow that; `fields` is it decoded."""
    if sender.plan is None:
        return None
    version = _version(fields)
    found = sender.plan.check(event.type, event.name, version, _payload(event, fields))
    if found == []:
        return None
    rules = sender.policy.plan
    action = rules.unplanned if found is None else rules.violations
    if action == "allow":
        return None
    if found is None:
        name = f"{event.type} event {event.name!r}" if event.name else f"{event.type} event"
        stated = f" in version {version}" if version else ""
        found = [Violation("", UNPLANNED, f"The plan has no {name}{stated}."[:300])]
    return Breach(action, version or "", found)


def _payload(event: Event, fields: dict[str, Any]) -> dict[str, Any]:
    """The object that the plan describes."""
    found = fields.get(part_of(event.type))
    if found is None and event.type == "identify":
        context = fields.get("context")
        found = context.get("traits") if isinstance(context, dict) else None
    return all_told(found) if isinstance(found, dict) else {}


def _version(fields: dict[str, Any]) -> str | None:
    """`context.protocols.event_version`, where Segment's Protocols reads it."""
    context = fields.get("context")
    protocols = context.get("protocols") if isinstance(context, dict) else None
    version = protocols.get("event_version") if isinstance(protocols, dict) else None
    return str(version) if isinstance(version, (str, int, float)) and version != "" else None


def _refusal(event: Event, found: list[Violation]) -> Refusal:
    first = found[0]
    more = f" And {len(found) - 1} more." if len(found) > 1 else ""
    code = "unplanned_event" if first.rule == UNPLANNED else "plan_violation"
    reason = first.message if first.message.endswith(".") else f"{first.message}."
    return Refusal(event.message_id, code, first.path, reason + more)
