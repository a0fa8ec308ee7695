"""The verdict on one event: the canonical record, or why it is refused."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from rapport_common.events.envelope import (
    EMPTY_OBJECT,
    Client,
    Event,
    EventType,
    Provenance,
    Trust,
)
from rapport_common.wording import plain
from rapport_ingest.domain.client import anonymised, client_of
from rapport_ingest.domain.moments import SenderClock
from rapport_ingest.domain.naming import usual_names
from rapport_ingest.domain.reading import (
    MAX_MESSAGE_ID,
    MAX_NAME,
    NOTHING,
    Refused,
    kind_of,
    members,
    moment,
    needed_identifier,
    required,
    sent_moment,
    text,
)
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.semantics import Check, check_of
from rapport_ingest.domain.sender import Sender
from rapport_ingest.domain.shape import check_shape, too_deep
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.transform import TransformError
from rapport_ingest.domain.verdict import Refusal
from rapport_ingest.domain.warnings import IMPLAUSIBLE_TIME, PLACEHOLDER

MAX_EVENT_BYTES = 32 * 1024
MAX_DEVICES = 16_384

_MESSAGE_ID = re.compile(rb'"messageId"\s*:\s*"([^"\\\x00-\x1f]{1,100})"')


class Origin(msgspec.Struct, frozen=True):
    """What is known of an event before it is read: whose it is, when and from where it came.

    `address` and `user_agent` are those of the request, and None when a server made it. `marks`
    are members of the record that all its events share (see `marks_of`). `notes` gathers how many
    of them are odd, by the code of the warning.
    """

    sender: Sender
    clock: SenderClock
    address: str | None = None
    user_agent: str | None = None
    marks: Mapping[str, Any] = NOTHING
    notes: dict[str, int] | None = None

    def note(self, code: str) -> None:
        """One more event has this about it."""
        if self.notes is not None:
            self.notes[code] = self.notes.get(code, 0) + 1


def marks_of(trust: Trust, *, historic: bool) -> Mapping[str, Any]:
    """What is marked on each event: only what is not as usual, for each member costs."""
    marks: dict[str, Any] = {"trust": trust} if trust != "trusted" else {}
    return marks | {"historic": True} if historic else marks


Judged = tuple[Event, dict[str, Any]] | Refusal
"""The canonical record with the decoded event it was made of, or why there is none."""


class _Wire(msgspec.Struct):
    """The objects of an event that go on untouched."""

    properties: msgspec.Raw = EMPTY_OBJECT
    traits: msgspec.Raw = EMPTY_OBJECT
    context: msgspec.Raw = EMPTY_OBJECT


_wire = msgspec.json.Decoder(_Wire)
_anything = msgspec.json.Decoder()


def judge(
    raw: msgspec.Raw, kind: EventType | None, origin: Origin, spare_id: str, sequence: int = 0
) -> Judged:
    """Read one event. `kind` is its type where the route says it, else its own `type` does.

    `spare_id` is the message id of an event that brings none; `sequence` is its place among
    those that came with it.
    """
    fields: dict[str, Any] = {}
    try:
        data = bytes(raw)
        fields = _decoded(data)
        transform = origin.sender.transform
        if transform is not None:
            fields = transform(fields)
            data = msgspec.json.encode(fields)
            # A default in each of a thousand elements makes much of little.
            check_size(data, "The event as the source's transforms leave it")
        values = _values(data, fields, kind, origin, spare_id)
        if sequence:
            values["sequence"] = sequence
        return Event(**values), fields
    except TransformError as error:
        claimed = fields.get("messageId")
        return Refusal(_shown(claimed) or spare_id, error.code, error.path, error.reason)
    except Refused as refused:
        claimed = fields.get("messageId") if fields else _claimed(raw)
        return Refusal(_shown(claimed) or spare_id, refused.code, refused.path, refused.reason)


def check_size(data: bytes, what: str) -> None:
    """Refused when `what`, which starts the reason, has more bytes than an event may."""
    if len(data) > MAX_EVENT_BYTES:
        message = f"{what} has {len(data)} bytes; {MAX_EVENT_BYTES} is the most."
        raise Refused("event_too_large", "", message)


def _decoded(data: bytes) -> dict[str, Any]:
    """The whole event as Python values: what a reader downstream will make of it."""
    if len(data) > MAX_EVENT_BYTES:
        check_size(data, "The event")
    try:
        fields = _anything.decode(data)
    except RecursionError:
        raise too_deep() from None
    except UNREADABLE as error:
        raise Refused("invalid_json", "", f"Not JSON that can be kept: {plain(error)}.") from None
    if not isinstance(fields, dict):
        raise Refused("not_an_object", "", "An event is a JSON object.")
    check_shape(data, fields)
    return fields


def _values(
    data: bytes, fields: dict[str, Any], kind: EventType | None, origin: Origin, spare_id: str
) -> dict[str, Any]:
    """The members of the record. What is missing is not named: each costs, and most lack many."""
    found = kind or kind_of(fields)
    sender, received_at = origin.sender, origin.clock.received_at
    caller, policy = sender.caller, sender.policy
    message_id: Any = fields.get("messageId")
    usual = message_id.__class__ is str and 0 < len(message_id) <= MAX_MESSAGE_ID
    if not usual or message_id.isspace():
        message_id = text(message_id, "messageId", MAX_MESSAGE_ID) or spare_id
    properties, traits, context = _objects(fields)
    values: dict[str, Any] = {
        "workspace": caller.workspace,
        "source": caller.source,
        "message_id": message_id,
        "type": found,
        "timestamp": received_at,
        "received_at": received_at,
    }
    _add_time(values, fields, origin)
    wire = _wire.decode(data)
    if properties:
        values["properties"] = wire.properties
    _add_names(values, fields, found, sender)
    _add_identifiers(values, fields, traits if found != "group" else NOTHING, context, origin)
    if traits:
        values["traits"] = wire.traits
    if context:
        values["context"] = (
            wire.context if "ip" not in context else _kept_context(wire.context, context, policy)
        )
        if found == "identify" and not traits and isinstance(context.get("traits"), dict):
            # RudderStack's SDKs send the traits of `identify` inside the context.
            values["traits"] = _wire.decode(wire.context).traits
    if (client := _client(context, origin)) is not None:
        values["client"] = client
    if policy.provenance.party != "first":
        values["provenance"] = provenance_of(policy)
    if origin.marks:
        values |= origin.marks
    return values


def _objects(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Properties, traits, context. Looked at here first: asking `members` thrice costs more."""
    properties, traits, context = (
        fields.get("properties"),
        fields.get("traits"),
        fields.get("context"),
    )
    if properties.__class__ is not dict:
        properties = NOTHING if properties is None else members(fields, "properties")
    if traits.__class__ is not dict:
        traits = NOTHING if traits is None else members(fields, "traits")
    if context.__class__ is not dict:
        context = NOTHING if context is None else members(fields, "context")
    return properties, traits, context


def _add_names(
    values: dict[str, Any], fields: dict[str, Any], kind: EventType, sender: Sender
) -> None:
    if kind == "track":
        name = fields.get("event")
        if name.__class__ is not str or not 0 < len(name) <= MAX_NAME or name.isspace():
            name = required(fields, "event", kind, MAX_NAME)
        values["name"] = name
        if (known := check_of(name)) is not None:
            _add_meaning(values, fields, known, sender)
    elif kind in {"page", "screen"}:
        values["name"] = text(fields.get("name"), "name", MAX_NAME)
    elif kind == "alias":
        values["previous_id"] = needed_identifier(fields, "previousId", kind, sender.blocked)
    elif kind == "group":
        values["group_id"] = needed_identifier(fields, "groupId", kind, sender.blocked)


def _add_meaning(
    values: dict[str, Any], fields: dict[str, Any], known: tuple[str, Check], sender: Sender
) -> None:
    """What is asked of the events that services count and obey."""
    values["name"], check = known
    changed, currency = check(fields.get("properties") or NOTHING, sender.currency)
    if changed is not None:
        fields["properties"] = changed
        values["properties"] = msgspec.Raw(msgspec.json.encode(changed))
    if currency is not None:
        values["currency"] = currency


def _add_identifiers(
    values: dict[str, Any],
    fields: dict[str, Any],
    traits: dict[str, Any],
    context: dict[str, Any],
    origin: Origin,
) -> None:
    """Who it is; an identifier that many share is left out, and is why nobody may be left."""
    sender = origin.sender
    if sender.namer is None:
        found, shared = usual_names(fields, traits, context, sender.blocked)
    else:
        is_group = values["type"] == "group"
        found, shared = sender.namer.names(fields, is_group=is_group)
    values["identifiers"] = found
    if shared:
        origin.note(PLACEHOLDER)


def _add_time(values: dict[str, Any], fields: dict[str, Any], origin: Origin) -> None:
    """When it happened, by our clock; the time of receipt where it does not say, or can't be."""
    field = "timestamp"
    stated = fields.get(field)
    if stated is None or stated == "":
        field = "originalTimestamp"
        stated = fields.get(field)
        if stated is None or stated == "":
            return
    clock = origin.clock
    sent = fields.get("sentAt")
    sent_at = None if sent is None else sent_moment(sent)
    found = values["timestamp"] = clock.corrected(moment(stated, field), sent_at)
    if found is clock.received_at:
        values["implausible_time"] = True
        origin.note(IMPLAUSIBLE_TIME)


def _kept_context(raw: msgspec.Raw, context: dict[str, Any], policy: SourcePolicy) -> msgspec.Raw:
    """The context as it came, but for the address in it, which is kept as the policy says."""
    stated = context.get("ip")
    if stated is None or policy.ip == "keep":
        return raw
    kept = anonymised(stated, policy.ip) if isinstance(stated, str) else None
    changed = {**context, "ip": kept} if kept else {k: v for k, v in context.items() if k != "ip"}
    return msgspec.Raw(msgspec.json.encode(changed))


def _client(context: dict[str, Any], origin: Origin) -> Client | None:
    """The device: what the event says of it, else what the request shows."""
    address = context.get("ip") or origin.address
    agent = context.get("userAgent") or origin.user_agent
    locale = context.get("locale")
    if not (address or agent or locale):
        return None
    return _device(
        agent if isinstance(agent, str) else None,
        locale if isinstance(locale, str) else None,
        address if isinstance(address, str) else None,
        origin.sender.policy.ip,
    )


@lru_cache(maxsize=MAX_DEVICES)
def _device(
    agent: str | None,
    locale: str | None,
    address: str | None,
    mode: Literal["keep", "mask", "drop"],
) -> Client | None:
    known = client_of(agent, locale)
    ip = anonymised(address, mode) if address else None
    if ip is None:
        return known
    return Client(ip=ip) if known is None else msgspec.structs.replace(known, ip=ip)


def provenance_of(policy: SourcePolicy) -> Provenance:
    """Whose data it is."""
    stated = policy.provenance
    return Provenance(party=stated.party, provider=stated.provider, legal_basis=stated.legal_basis)


def _claimed(raw: msgspec.Raw) -> str | None:
    """The message id of an event that can't be read, if it can be seen."""
    match = _MESSAGE_ID.search(bytes(raw)[: 2 * MAX_EVENT_BYTES])
    return match[1].decode("utf-8", "replace") if match else None


def _shown(claimed: Any) -> str:
    """A message id fit for an answer and a table, whatever was sent."""
    if claimed is None or isinstance(claimed, (dict, list)):
        return ""
    return str(claimed)[:MAX_MESSAGE_ID].replace("\0", "\ufffd").strip()
