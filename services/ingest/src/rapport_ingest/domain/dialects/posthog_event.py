"""From an event of PostHog's SDKs to Segment's shape.

What PostHog's libraries put into the properties about themselves, the page and the device goes
where Segment's spec has it in the context; everything else stays a property, byte for byte.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from rapport_ingest.domain.dialects.draft import (
    NOTHING,
    Draft,
    Members,
    members,
    text_of,
    unreadable,
    value_of,
)
from rapport_ingest.domain.dialects.wire import CAMPAIGN, campaign_of, epoch_iso, page_of
from rapport_ingest.domain.moments import EPOCH
from rapport_ingest.domain.reading import MAX_ID, MAX_MESSAGE_ID
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.set_once import traits_said
from rapport_ingest.domain.verdict import Refusal

CONTEXT: dict[str, tuple[str, ...]] = {
    "$lib": ("context", "library", "name"),
    "$lib_version": ("context", "library", "version"),
    "$current_url": ("context", "page", "url"),
    "$pathname": ("context", "page", "path"),
    "$host": ("context", "page", "host"),
    "$referrer": ("context", "page", "referrer"),
    "$referring_domain": ("context", "page", "referring_domain"),
    "$raw_user_agent": ("context", "userAgent"),
    "$user_agent": ("context", "userAgent"),
    "$ip": (
        "context",
        "ip",
    ),
    "$browser_language": (
        "context",
        "locale",
    ),
    "$locale": (
        "context",
        "locale",
    ),
    "$timezone": (
        "context",
        "timezone",
    ),
    "$browser": ("context", "browser", "name"),
    "$browser_version": ("context", "browser", "version"),
    "$os": ("context", "os", "name"),
    "$os_name": ("context", "os", "name"),
    "$os_version": ("context", "os", "version"),
    "$device_id": ("context", "device", "id"),
    "$device_type": ("context", "device", "type"),
    "$device_manufacturer": ("context", "device", "manufacturer"),
    "$device_model": ("context", "device", "model"),
    "$device_name": ("context", "device", "name"),
    "$screen_height": ("context", "screen", "height"),
    "$screen_width": ("context", "screen", "width"),
    "$viewport_height": ("context", "screen", "innerHeight"),
    "$viewport_width": ("context", "screen", "innerWidth"),
    "$app_name": ("context", "app", "name"),
    "$app_version": ("context", "app", "version"),
    "$app_build": ("context", "app", "build"),
    "$app_namespace": ("context", "app", "namespace"),
    "$network_carrier": ("context", "network", "carrier"),
    "$network_wifi": ("context", "network", "wifi"),
    "$network_cellular": ("context", "network", "cellular"),
    "$session_id": (
        "context",
        "sessionId",
    ),
    "$window_id": (
        "context",
        "windowId",
    ),
    **{utm: ("context", "campaign", name) for utm, name in CAMPAIGN.items()},
}
PROTOCOL = frozenset(
    {
        "token",
        "distinct_id",
        "$anon_distinct_id",
        "$user_id",
        "$is_identified",
        "$process_person_profile",
        "$ignore_sent_at",
        "$insert_id",
        "$set",
        "$set_once",
        "$unset",
    }
)
"""Properties that only serve the protocol: they are read, and then gone."""

RECORDINGS = frozenset({"$snapshot", "$snapshot_items"})
DIRECT = b'"$direct"'
COOKIELESS = "$posthog_cookieless"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Around:
    """What the request says for all its events; times as they were sent."""

    sent_at: Any = None
    library: str | None = None


@dataclass(slots=True)
class Converted:
    """An event in Segment's shape, the traits that came with it as an event of their own."""

    item: msgspec.Raw
    uuid: str | None = None
    refusal: Refusal | None = None
    traits: msgspec.Raw | None = None
    token: Any = None
    library: str | None = None


class _Item(msgspec.Struct):
    event: Any = None
    distinct_id: Any = None
    uuid: Any = None
    timestamp: Any = None
    offset: Any = None
    sent_at: Any = None
    properties: msgspec.Raw = NOTHING
    set: msgspec.Raw = msgspec.field(name="$set", default=NOTHING)
    set_once: msgspec.Raw = msgspec.field(name="$set_once", default=NOTHING)
    unset: msgspec.Raw = msgspec.field(name="$unset", default=NOTHING)
    options: msgspec.Raw = NOTHING
    session_id: Any = None
    window_id: Any = None
    message_id: Any = msgspec.field(name="messageId", default=None)
    api_key: Any = None
    token: Any = None


_item = msgspec.json.Decoder(_Item)


def converted(raw: msgspec.Raw, around: Around) -> Converted:
    """One event; with a refusal when it can't be one."""
    try:
        item = _item.decode(raw)
    except msgspec.ValidationError:
        return Converted(raw, None, Refusal("", "not_an_object", "", "An event is a JSON object."))
    except UNREADABLE as error:
        refusal = unreadable(raw, b"uuid", error)
        return Converted(raw, refusal.message_id or None, refusal)
    return _Making(item, around).done()


class _Making:
    """The steps from an item to its event."""

    def __init__(self, item: _Item, around: Around) -> None:
        self._item = item
        self._around = around
        self._draft = Draft()
        found = members(item.properties)
        if found is None:
            self._draft.refuse("invalid_type", "properties", "properties must be an object.")
        self._properties: Members = found or {}
        self._options: Members = members(item.options) or {}
        self._set = self._person("$set", item.set)
        self._set_once = self._person("$set_once", item.set_once)
        self._unset = self._removed(item.unset)
        self._name = item.event if isinstance(item.event, str) else None

    def done(self) -> Converted:
        draft, item = self._draft, self._item
        kind = self._typed()
        # Segment's order of members, so that what is kept reads like any other event.
        draft.fields["type"] = kind
        self._message_id()
        self._times()
        self._who()
        self._what(kind)
        self._context(kind)
        token = item.api_key or item.token or value_of(self._properties.get("token"))
        return Converted(
            draft.raw(),
            draft.fields.get("messageId"),
            draft.refusal(),
            self._traits(kind),
            token,
            self._around.library or text_of(self._properties, "$lib"),
        )

    def _typed(self) -> str:
        if self._name in {"$identify", "$set", "$set_once", "$unset"}:
            return "identify"
        known = {
            "$pageview": "page",
            "$screen": "screen",
            "$groupidentify": "group",
            "$create_alias": "alias",
            "$merge_dangerously": "alias",
        }
        return known.get(self._name or "", "track")

    def _message_id(self) -> None:
        item = self._item
        stated = item.uuid or item.message_id or value_of(self._properties.get("$insert_id"))
        self._draft.message_id(stated, "uuid")

    def _times(self) -> None:
        """`timestamp` and `sentAt`; an `offset` is milliseconds between event and sending."""
        item, fields = self._item, self._draft.fields
        stated, offset = item.timestamp, item.offset
        if stated is not None:
            fields["timestamp"] = _moment(stated)
        elif isinstance(offset, (int, float)) and 0 <= offset < timedelta(days=30) / _MS:
            # By a clock that shows 1970 as it sends: the usual correction makes it ours.
            fields["timestamp"] = (EPOCH - offset * _MS).isoformat()
            fields["sentAt"] = EPOCH.isoformat()
            return
        uncorrected = self._flag("$ignore_sent_at", "disable_skew_correction")
        sent_at = _moment(item.sent_at or self._around.sent_at)
        if sent_at is not None and not uncorrected:
            fields["sentAt"] = sent_at

    def _who(self) -> None:
        draft, found = self._draft, self._properties
        stated = self._item.distinct_id
        stated = value_of(found.get("distinct_id")) if stated is None else stated
        field = "anonymousId" if self._is_anonymous(stated) else "userId"
        if stated == COOKIELESS:
            reason = "Without cookies all visitors have the same distinct_id; none can be told."
            draft.refuse("no_identifier", "distinct_id", reason)
        elif draft.identifier(field, stated, "distinct_id") is None:
            draft.refuse("no_identifier", "distinct_id", "An event needs a distinct_id.")
        if self._name == "$identify":
            draft.identifier(
                "anonymousId", value_of(found.get("$anon_distinct_id")), "$anon_distinct_id"
            )

    def _is_anonymous(self, stated: Any) -> bool:
        """Whether the distinct_id is a device's: browsers and phones say so, servers mean users.

        A server's event without a person profile has an id made for that event alone.
        """
        if self._name == "$identify":
            return False
        identified = value_of(self._properties.get("$is_identified"))
        if isinstance(identified, bool):
            return not identified
        if self._flag("$process_person_profile", "process_person_profile") is False:
            return True
        if self._name == "$groupidentify" and isinstance(stated, str):
            # Servers make an id up where nobody in particular is meant.
            return stated.startswith("$") or bool(_UUID.fullmatch(stated))
        device = value_of(self._properties.get("$device_id"))
        return device is not None and device == stated

    def _what(self, kind: str) -> None:
        draft, found = self._draft, self._properties
        if kind == "track":
            draft.name(self._item.event, "event")
            if self._name in RECORDINGS:
                draft.refuse("unsupported_event", "event", "Session recordings are not kept.")
        elif kind == "screen":
            draft.text("name", value_of(found.get("$screen_name")), "$screen_name", MAX_ID)
        elif kind == "identify":
            draft.put(("traits",), self._said())
        elif kind == "group":
            key = value_of(found.get("$group_key"))
            if draft.identifier("groupId", key, "$group_key") is None:
                draft.refuse("missing_field", "$group_key", "A group needs its $group_key.")
            draft.put(("traits",), members(found.get("$group_set")))
        elif kind == "alias":
            self._alias()

    def _alias(self) -> None:
        """`alias` is the user, `distinct_id` who it was, unless their forms say the reverse."""
        draft = self._draft
        was = draft.fields.pop("userId", None) or draft.fields.pop("anonymousId", None)
        stated = value_of(self._properties.get("alias"))
        now = draft.identifier("userId", stated, "alias")
        if now is None:
            draft.refuse("missing_field", "alias", "An alias event needs the property alias.")
        reverse = self._name == "$merge_dangerously" or (
            was and now and _UUID.fullmatch(now) and not _UUID.fullmatch(was)
        )
        if reverse:
            was, now = now, was
        draft.put(("previousId",), was)
        if now is not None:
            draft.fields["userId"] = now

    def _context(self, kind: str) -> None:
        draft, kept = self._draft, {}
        if self._around.library:
            name, _, version = self._around.library.partition("/")
            draft.put(("context", "library", "name"), name)
            draft.put(("context", "library", "version"), version)
        draft.put(("context", "sessionId"), self._item.session_id)
        draft.put(("context", "windowId"), self._item.window_id)
        for name, value in self._properties.items():
            place = CONTEXT.get(name)
            if place is not None:
                draft.put(place, None if bytes(value) == DIRECT else value)
            elif name not in PROTOCOL:
                kept[name] = value
        self._page(kind, kept)
        if kind == "group":
            kept.pop("$group_set", None)
        if self._set_once and kind not in {"identify", "group"} and not self._has_traits():
            draft.put(("properties", "$set_once"), self._set_once)
        if kept:
            draft.fields["properties"] = draft.fields.get("properties", {}) | kept
        groups = members(self._properties.get("$groups")) or {}
        draft.put(("context", "groupId"), next(iter(groups.values()), None))

    def _page(self, kind: str, kept: Members) -> None:
        """Parts of the address that PostHog leaves out; a page event has them as properties too."""
        draft = self._draft
        url = text_of(self._properties, "$current_url")
        for name, part in page_of(url).items() if url else ():
            draft.put(("context", "page", name), part)
        for name, part in campaign_of(url).items() if url else ():
            draft.put(("context", "campaign", name), part)
        draft.put(("context", "page", "title"), kept.get("title"))
        if kind == "page":
            page = draft.fields.get("context", {}).get("page", {})
            for name in ("url", "path", "search", "referrer", "title"):
                draft.put(("properties", name), page.get(name))

    def _has_traits(self) -> bool:
        """Whether something is said of the person beyond how it first came here."""
        return bool(self._set or self._unset) or any(
            not one.startswith("$initial_") for one in self._set_once
        )

    def _traits(self, kind: str) -> msgspec.Raw | None:
        """An identify event for what other events say of the person on their way."""
        fields = self._draft.fields
        if kind in {"identify", "group", "alias"} or self._draft.problem or not self._has_traits():
            return None
        shared = ("timestamp", "sentAt", "userId", "anonymousId")
        made: dict[str, Any] = {"type": "identify"}
        message_id = fields.get("messageId")
        if message_id is not None and len(message_id) <= MAX_MESSAGE_ID - len(TRAITS_SUFFIX):
            made["messageId"] = message_id + TRAITS_SUFFIX
        made |= {name: fields[name] for name in shared if name in fields}
        made["traits"] = self._said()
        library = fields.get("context", {}).get("library")
        if library is not None:
            made["context"] = {"library": library}
        return msgspec.Raw(msgspec.json.encode(made))

    def _person(self, name: str, outer: msgspec.Raw) -> Members:
        """What is said of the person, beside the properties or in them; beside wins."""
        inner, beside = members(self._properties.get(name)), members(outer)
        if inner is None or beside is None:
            self._draft.refuse("invalid_type", name, f"{name} must be an object.")
        return {**(inner or {}), **(beside or {})}

    def _removed(self, outer: msgspec.Raw) -> list[str]:
        """The properties of the person that are to be gone: traits that are null."""
        found: list[str] = []
        for raw in (self._properties.get("$unset"), outer):
            value = value_of(raw)
            names = value if isinstance(value, (list, dict)) else [] if value is None else [value]
            if all(isinstance(one, str) for one in names):
                found += names
            else:
                self._draft.refuse("invalid_type", "$unset", "$unset must be a list of names.")
        return found

    def _said(self) -> dict[str, Any]:
        """What the event says of the person, as traits."""
        return traits_said(self._set_once, {**self._set, **dict.fromkeys(self._unset)})

    def _flag(self, prop: str, option: str) -> Any:
        found = value_of(self._properties.get(prop))
        return value_of(self._options.get(option)) if found is None else found


TRAITS_SUFFIX = "#set"
_MS = timedelta(milliseconds=1)


def _moment(stated: Any) -> Any:
    """A time as text: numbers are Unix times, what is no time stays as it is."""
    return (epoch_iso(stated) or stated) if isinstance(stated, (int, float)) else stated
