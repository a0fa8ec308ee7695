"""From Snowplow's tracker protocol to Segment's shape.

https://docs.snowplow.io/docs/fundamentals/canonical-event/ names the columns that the short
parameters become; entities and what has no place in Segment's spec stay whole in the context.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rapport_ingest.domain.dialects.draft import (
    Draft,
    Members,
    members,
    text_of,
    unreadable,
    value_of,
)
from rapport_ingest.domain.dialects.wire import base64_bytes, campaign_of, epoch_iso, page_of
from rapport_ingest.domain.reading import MAX_NAME
from rapport_ingest.domain.salvage import UNREADABLE
from rapport_ingest.domain.verdict import Refusal

Parameters = Mapping[str, str]

CONTEXT: dict[str, tuple[str, ...]] = {
    "lang": (
        "context",
        "locale",
    ),
    "tz": (
        "context",
        "timezone",
    ),
    "ua": (
        "context",
        "userAgent",
    ),
    "ip": (
        "context",
        "ip",
    ),
    "page": ("context", "page", "title"),
    "refr": ("context", "page", "referrer"),
    "cs": ("context", "page", "encoding"),
    "p": (
        "context",
        "channel",
    ),
    "sid": (
        "context",
        "sessionId",
    ),
}
TIME = ("ttm", "dtm")
DEVICE_IDS = ("duid", "tnuid", "nuid")
ENTITIES = (("co", False), ("cx", True))
READ = frozenset({"e", "eid", "aid", "uid", "tv", "stm", "url", "res", "vp", "ue_pr", "ue_px"})
"""Parameters with a place of their own; `aid` is the write key where it is one."""

PING = {"pp_mix": "min_x", "pp_max": "max_x", "pp_miy": "min_y", "pp_may": "max_y"}
STRUCTURED = {"se_ca": "category", "se_ac": "action", "se_la": "label", "se_pr": "property"}
ORDER = {
    "tr_id": "order_id",
    "tr_af": "affiliation",
    "tr_ci": "city",
    "tr_st": "state",
    "tr_co": "country",
    "tr_cu": "currency",
}
ORDER_NUMBERS = {"tr_tt": "total", "tr_tx": "tax", "tr_sh": "shipping"}
ITEM = {
    "ti_id": "order_id",
    "ti_sk": "sku",
    "ti_nm": "name",
    "ti_ca": "category",
    "ti_cu": "currency",
}
ITEM_NUMBERS = {"ti_pr": "price", "ti_qu": "quantity"}

SERVERS = ("py-", "node-", "java-", "rb-", "php-", "golang-", "net-", "scala-", "rust-", "lua-")
"""The trackers (`tv`) that run on servers: address and user agent are not the person's."""

_SCHEMA = re.compile(r"iglu:([\w.-]+)/([\w.-]+)/[\w.-]+/\d+-\d+-\d+")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_VERSIONED = re.compile(r"(.+?)-(\d[\w.-]*)")
_KEY = re.compile(r"rk_[0-9a-f]{12}_[0-9a-f]{32}")
_item = msgspec.json.Decoder(dict[str, Any])


@dataclass(slots=True)
class Converted:
    """An event in Segment's shape, and what its parameters say of the sender."""

    item: msgspec.Raw
    refusal: Refusal | None = None
    app: str | None = None
    tracker: str | None = None


def converted(raw: msgspec.Raw) -> Converted:
    """One event of a POST."""
    try:
        found = _item.decode(raw)
    except msgspec.ValidationError:
        return Converted(raw, Refusal("", "not_an_object", "", "An event is a JSON object."))
    except UNREADABLE as error:
        return Converted(raw, unreadable(raw, b"eid", error))
    return of_parameters({name: _text(one) for name, one in found.items() if one is not None})


def of_parameters(parameters: Parameters) -> Converted:
    """One event of a GET."""
    making = _Making(parameters)
    return making.done()


class _Making:
    """The steps from parameters to an event."""

    def __init__(self, parameters: Parameters) -> None:
        self._given = parameters
        self._read = set(READ)
        self._draft = Draft()

    def done(self) -> Converted:
        given, draft = self._given, self._draft
        kinds: dict[str, Callable[[], None]] = {
            "pv": self._page_view,
            "pp": self._page_ping,
            "se": self._structured,
            "ue": self._self_describing,
            "tr": self._transaction,
            "ti": self._item,
        }
        draft.fields["type"] = "track"
        draft.message_id(given.get("eid"), "eid")
        draft.identifier("userId", given.get("uid"), "uid")
        self._times()
        self._page()
        known = kinds.get(given.get("e", ""))
        if known is not None:
            known()
        else:
            code = "unknown_type" if given.get("e") else "missing_field"
            draft.refuse(code, "e", f"e must be one of {', '.join(kinds)}.")
        self._entities()
        self._device()
        self._context()
        if not draft.fields.keys() & {"userId", "anonymousId"}:
            reason = f"An event needs a uid, or one of {', '.join(DEVICE_IDS)}."
            draft.refuse("no_identifier", "uid", reason)
        return Converted(draft.raw(), draft.refusal(), given.get("aid"), given.get("tv"))

    def _times(self) -> None:
        """The true time as it is, else the device's clock, which `stm` serves to correct."""
        given, draft = self._given, self._draft
        self._read.update(TIME)
        field = next((one for one in TIME if given.get(one)), None)
        if field is not None:
            moment = epoch_iso(given[field])
            if moment is None:
                reason = f"{field} must be milliseconds since 1970."
                draft.refuse("invalid_timestamp", field, reason)
            draft.put(("timestamp",), moment)
        if field != "ttm":
            draft.put(("sentAt",), epoch_iso(given.get("stm")))

    def _page(self) -> None:
        url = self._given.get("url")
        if url:
            for name, part in page_of(url).items():
                self._draft.put(("context", "page", name), part)
            for name, part in campaign_of(url).items():
                self._draft.put(("context", "campaign", name), part)

    def _page_view(self) -> None:
        draft = self._draft
        draft.fields["type"] = "page"
        page = draft.fields.get("context", {}).get("page", {})
        for name in ("url", "path", "search"):
            draft.put(("properties", name), page.get(name))
        draft.put(("properties", "title"), self._given.get("page"))
        draft.put(("properties", "referrer"), self._given.get("refr"))

    def _page_ping(self) -> None:
        self._draft.name("page_ping", "e")
        self._numbers(PING)

    def _structured(self) -> None:
        self._draft.name(self._given.get("se_ac"), "se_ac")
        self._texts(STRUCTURED)
        self._numbers({"se_va": "value"})

    def _transaction(self) -> None:
        """Segment's e-commerce spec has a name for it, which orders and revenue are counted by."""
        self._draft.name("Order Completed", "e")
        self._texts(ORDER)
        self._numbers(ORDER_NUMBERS)

    def _item(self) -> None:
        self._draft.name("transaction_item", "e")
        self._texts(ITEM)
        self._numbers(ITEM_NUMBERS)

    def _self_describing(self) -> None:
        field = "ue_px" if self._given.get("ue_px") else "ue_pr"
        outer = self._json(field, encoded=field == "ue_px")
        inner = members(outer.get("data", msgspec.Raw(b"[]"))) if outer is not None else None
        schema = text_of(inner, "schema") if inner else None
        match = _SCHEMA.fullmatch(schema) if schema else None
        if inner is None or match is None:
            reason = f"{field} must be {{schema, data: {{schema: iglu:vendor/name/…, data}}}}."
            self._draft.refuse("invalid_self_describing", field, reason)
            return
        self._named(match, inner)

    def _named(self, match: re.Match[str], inner: Members) -> None:
        draft, name = self._draft, match[2]
        draft.put(("context", "schema"), match[0])
        data = members(inner.get("data"))
        if data is None:
            draft.refuse("invalid_type", "data", "The data of a self-describing event: an object.")
        if name == "screen_view" and match[1].startswith("com.snowplowanalytics."):
            draft.fields["type"] = "screen"
            draft.text("name", text_of(data or {}, "name"), "name", MAX_NAME)
        else:
            draft.name(name, "schema")
        draft.put(("properties",), data)

    def _entities(self) -> None:
        """What is attached to the event: each entity by its name, or a list of those."""
        for field, encoded in ENTITIES:
            self._read.add(field)
            if not self._given.get(field):
                continue
            found = self._json(field, encoded=encoded)
            listed = value_of(found.get("data")) if found is not None else None
            if not isinstance(listed, list):
                reason = f"{field} must be {{schema, data: [{{schema, data}}, …]}}."
                self._draft.refuse("invalid_entities", field, reason)
                continue
            for one in listed:
                self._entity(one, field)

    def _entity(self, one: Any, field: str) -> None:
        schema = one.get("schema") if isinstance(one, dict) else None
        match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
        if match is None:
            reason = f"An entity in {field} must be {{schema: iglu:vendor/name/…, data}}."
            self._draft.refuse("invalid_entities", field, reason)
            return
        data = one.get("data")
        place = self._draft.fields.setdefault("context", {}).setdefault("entities", {})
        known = place.get(match[2])
        if known is None:
            place[match[2]] = data
        elif isinstance(known, list):
            known.append(data)
        else:
            place[match[2]] = [known, data]
        if match[2] == "client_session" and isinstance(data, dict):
            self._session(data)

    def _session(self, data: dict[str, Any]) -> None:
        """Phones have no cookie: the installation's id stands in this entity."""
        if isinstance(data.get("userId"), str):
            self._draft.identifier("anonymousId", data["userId"], "client_session.userId")
        self._draft.put(("context", "sessionId"), data.get("sessionId"))

    def _device(self) -> None:
        self._read.update(DEVICE_IDS)
        for name in DEVICE_IDS:
            if self._given.get(name):
                self._draft.identifier("anonymousId", self._given[name], name)
                return

    def _context(self) -> None:
        given, draft = self._given, self._draft
        for name, value in given.items():
            place = CONTEXT.get(name)
            if place is None and name not in self._read:
                place = ("context", "snowplow", name)
            if place is not None:
                draft.put(place, value)
        tracker = _VERSIONED.fullmatch(given.get("tv", ""))
        if tracker is not None:
            draft.put(("context", "library", "name"), f"snowplow-{tracker[1]}")
            draft.put(("context", "library", "version"), tracker[2])
        for field, width, height in (
            ("res", "width", "height"),
            ("vp", "innerWidth", "innerHeight"),
        ):
            size = _SIZE.fullmatch(given.get(field, ""))
            if size is not None:
                draft.put(("context", "screen", width), int(size[1]))
                draft.put(("context", "screen", height), int(size[2]))
        app = given.get("aid", "")
        draft.put(("context", "app", "name"), None if _KEY.fullmatch(app) else app)

    def _texts(self, names: Mapping[str, str]) -> None:
        for field, name in names.items():
            self._draft.put(("properties", name), self._given.get(field))
        self._read.update(names)

    def _numbers(self, names: Mapping[str, str]) -> None:
        """Numbers keep their digits: an amount of money must not pass through a float."""
        for field, name in names.items():
            value = self._given.get(field)
            if value and _NUMBER.fullmatch(value):
                self._draft.put(("properties", name), msgspec.Raw(value.encode()))
            elif value and value != "None":
                self._draft.refuse("invalid_type", field, f"{field} must be a number.")
        self._read.update(names)

    def _json(self, field: str, *, encoded: bool) -> Members | None:
        """The members of a JSON object in a parameter; None when there is none."""
        text = self._given.get(field, "")
        data = base64_bytes(text) if encoded else text.encode("utf-8", "replace")
        return members(data) if data else None


def _text(value: Any) -> str:
    """A parameter as text: trackers send strings, and now and then a number."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
