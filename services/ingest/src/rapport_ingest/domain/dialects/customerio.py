"""Customer.io's Track API v1: customers, their events, and two customers who are one."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.draft import Draft, Members, members, value_of
from rapport_ingest.domain.dialects.drafting import drafted
from rapport_ingest.domain.dialects.segment import summary
from rapport_ingest.domain.dialects.unsubscribing import withdrawals
from rapport_ingest.domain.dialects.wire import epoch_iso
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

CUSTOMER = re.compile(r"/api/v1/customers/(.+?)(/events|/devices(?:/.*)?|/(?:un)?suppress)?")
RESERVED = frozenset({"anonymous_id", "_update", "_timestamp"})
KINDS = {"event": "track", "page": "page", "screen": "screen"}
ID = "customer_id"
PREFERENCES = "cio_subscription_preferences"


class CustomerIo:
    """Basic credentials `site id:API key`: the write key is the site id. Answered with `{}`."""

    name = "customerio"
    kind: EventType | None = None
    browser = False
    overload = 429
    too_large = 413

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The one event that address and body are."""
        found = CUSTOMER.fullmatch(request.path)
        customer, rest = found.groups() if found else (None, None)

        def make(fields: Members, raw: msgspec.Raw) -> Sequence[Draft]:
            if request.path.endswith("/merge_customers"):
                return [_merged(fields)]
            if customer is not None and rest is None:
                return _customer(customer, fields)
            if rest is not None and rest.endswith("suppress"):
                return [
                    _refused(
                        "Nobody is suppressed here: withdraw the consent, or erase the person."
                    )
                ]
            if rest is not None and rest.startswith("/devices"):
                return [_refused("Device tokens are not kept here.")]
            return [_event(customer, fields)]

        return drafted([msgspec.Raw(request.body or b"{}")], "id", make)

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """Nothing; AppError for what is refused, which these SDKs show."""
        for one in results:
            summary("track", [one])
        return Answer(b"{}")


def _refused(reason: str) -> Draft:
    draft = Draft()
    draft.refuse("not_supported", "", reason)
    return draft


def _customer(customer: str, fields: Members) -> Sequence[Draft]:
    draft = Draft()
    draft.fields["type"] = "identify"
    traits: dict[str, Any] = {k: v for k, v in fields.items() if k not in RESERVED}
    if "created_at" in traits:
        created = value_of(fields["created_at"])
        traits["createdAt"] = epoch_iso(created) or fields["created_at"]
        del traits["created_at"]
    draft.put(("traits",), traits or None)
    _add_person(draft, customer, "userId")
    draft.identifier("anonymousId", value_of(fields.get("anonymous_id")), "anonymous_id")
    _add_time(draft, fields, "_timestamp")
    known = {"email": customer, **traits} if "@" in customer else traits
    return [draft, *withdrawals(draft, known, "unsubscribed"), *_preferences(fields)]


def _preferences(fields: Members) -> Sequence[Draft]:
    """What is said of topics: they are none of ours, and a "no" must not pass unheard."""
    if not any(name.startswith(PREFERENCES) for name in fields):
        return ()
    return [_refused("Topics are not known here: send `Consent Updated` with the purpose.")]


def _event(customer: str | None, fields: Members) -> Draft:
    draft = Draft()
    draft.message_id(value_of(fields.get("id")), "id")
    kind = value_of(fields.get("type"))
    draft.fields["type"] = KINDS.get(kind, "track") if isinstance(kind, str) else "track"
    name = value_of(fields.get("name"))
    if draft.fields["type"] == "track":
        draft.name(name, "name")
    else:
        draft.put(("name",), name)
    data = members(fields.get("data"))
    if data is None:
        draft.refuse("invalid_type", "data", "data must be an object.")
    draft.put(("properties",), data or None)
    if customer is not None:
        _add_person(draft, customer, "userId")
    anonymous = value_of(fields.get("anonymous_id"))
    draft.identifier("anonymousId", anonymous, "anonymous_id")
    _add_time(draft, fields, "timestamp")
    return draft


def _merged(fields: Members) -> Draft:
    """Two ids are an alias; an id and an address are one person's, whichever is the primary."""
    draft = Draft()
    draft.fields["type"] = "alias"
    mails = []
    for field, name in (("userId", "primary"), ("previousId", "secondary")):
        who = members(fields.get(name)) or {}
        found = next((value_of(who[one]) for one in ("id", "cio_id") if one in who), None)
        if found is None and "email" in who:
            mails.append(value_of(who["email"]))
        else:
            draft.identifier(field, found, f"{name}.id")
    if len(mails) > 1:
        return _refused("Two addresses alone are not merged: give one of the two by its id.")
    if mails:
        draft.fields["type"] = "identify"
        draft.put(("context", "traits", "email"), mails[0])
        if (known := draft.fields.pop("previousId", None)) is not None:
            draft.put(("userId",), known)
    return draft


def _add_person(draft: Draft, customer: str, field: str) -> None:
    """An address in place of an id is the customer's e-mail address."""
    if "@" not in customer:
        draft.identifier(field, customer, ID)
    elif draft.fields["type"] == "identify":
        draft.put(("traits", "email"), customer)
    else:
        draft.put(("context", "traits", "email"), customer)


def _add_time(draft: Draft, fields: Members, name: str) -> None:
    value = value_of(fields.get(name))
    if value is None:
        return
    found = epoch_iso(value)
    if found is None:
        draft.refuse("invalid_timestamp", name, f"{name} must be seconds since 1970.")
    draft.put(("timestamp",), found)
