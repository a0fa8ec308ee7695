"""The API of Jitsu's third SDK (`@jitsu/sdk-js`, formerly EventNative): its own flat events.

An event has the fields of its call beside those of the SDK (`event_type`, `user`, `url`, …); in
compatibility mode the latter stand in `eventn_ctx`.
"""

from collections.abc import Sequence

import msgspec

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.draft import Draft, Members, members, text_of, value_of
from rapport_ingest.domain.dialects.drafting import drafted, items_of
from rapport_ingest.domain.dialects.jitsu import ok
from rapport_ingest.domain.dialects.originals import content_id
from rapport_ingest.domain.dialects.wire import CAMPAIGN, form_of
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

KINDS: dict[str, EventType] = {
    "user_identify": "identify",
    "identify": "identify",
    "pageview": "page",
    "page": "page",
    "screen": "screen",
}
"""Its types that are not the names of track events."""

PLACES: dict[str, tuple[str, ...]] = {
    "url": ("context", "page", "url"),
    "page_title": ("context", "page", "title"),
    "doc_path": ("context", "page", "path"),
    "doc_search": ("context", "page", "search"),
    "referer": ("context", "page", "referrer"),
    "user_agent": ("context", "userAgent"),
    "user_language": ("context", "locale"),
    "source_ip": ("context", "ip"),
}
MACHINERY = frozenset(
    {
        *PLACES,
        *("api_key", "src", "event_type", "eventn_ctx", "event_id", "user", "ids", "utc_time"),
        *("local_tz_offset", "doc_host", "screen_resolution", "vp_size", "doc_encoding"),
        *("utm", "click_id"),
    }
)
"""What the SDK adds to the fields of a call."""

USER_IDS = ("internal_id", "id")


class JitsuThree:
    """`/api/v1/event?token=KEY` from browsers, `/api/v1/s2s/event?token=KEY` from servers."""

    name = "jitsu3"
    kind: EventType | None = None
    overload = 503
    too_large = 413

    def __init__(self, *, browser: bool = False) -> None:
        self.browser = browser

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """One event or an array of them; with an `ip_policy` the address is not looked at."""
        query = form_of(request.query)
        items = items_of(request.body)
        found = drafted(items, "event_id", _drafts)
        first = members(items[0]) if items else None
        found.write_key = query.get("token") or (text_of(first, "api_key") if first else None)
        if query.get("ip_policy", "keep") != "keep":
            found.device = False
        return found

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """A verdict for each."""
        return ok(None, results)


def _drafts(fields: Members, raw: msgspec.Raw) -> Sequence[Draft]:
    around = {**fields, **(members(fields.get("eventn_ctx")) or {})}
    draft = Draft()
    if draft.message_id(value_of(around.get("event_id")), "event_id") is None:
        # The browser's events have no id; the time in them, to the millisecond, tells them apart.
        draft.fields["messageId"] = content_id(bytes(raw))
    name = value_of(around.get("event_type"))
    kind = KINDS.get(name, "track") if isinstance(name, str) else "track"
    draft.fields["type"] = kind
    if kind == "track":
        draft.name(name, "event_type")
    draft.put(("timestamp",), around.get("utc_time"))
    _add_person(draft, members(around.get("user")) or {}, kind)
    for field, place in PLACES.items():
        draft.put(place, around.get(field))
    for field, value in (members(around.get("utm")) or {}).items():
        draft.put(("context", "campaign", CAMPAIGN.get(f"utm_{field}", field)), value)
    properties = {key: value for key, value in fields.items() if key not in MACHINERY}
    if properties and kind != "identify":
        draft.fields["properties"] = properties
    return [draft]


def _add_person(draft: Draft, user: Members, kind: EventType) -> None:
    anonymous = value_of(user.get("anonymous_id"))
    draft.identifier("anonymousId", anonymous, "user.anonymous_id")
    for name in USER_IDS:
        if draft.identifier("userId", value_of(user.get(name)), f"user.{name}") is not None:
            break
    known = ("anonymous_id", *USER_IDS)
    traits = {name: value for name, value in user.items() if name not in known}
    if traits:
        draft.put(("traits",) if kind == "identify" else ("context", "traits"), traits)
