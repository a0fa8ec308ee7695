"""Twilio: https://www.twilio.com/docs/usage/security and https://www.twilio.com/docs/api/errors

A message is known by its sid, or by its token in the address for its status (`?message=`); what
comes in is read for words that end it.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

from rapport_campaign.domain.outcomes import OutcomeClass
from rapport_campaign.domain.vendors.posts import Post, Secret, Told, one
from rapport_common.events.contact import phone_number, plain_text

_SIGNATURE = "x-twilio-signature"
_MOST_FIELDS = 200
_AROUND = " .!?,;'\"\u3002"
STOP_WORDS = frozenset(
    {
        *("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
        *("arret", "alto", "baja", "stopp", "td", "t", "n", "退订", "退訂", "取消", "拒收"),
    }
)
"""Twilio's, CTIA's, and those that Chinese operators tell people to send."""

_ERRORS: Mapping[str, OutcomeClass] = {
    "21211": "hard",
    "21214": "hard",
    "21614": "hard",
    "30003": "soft",
    "30004": "blocked",
    "30005": "hard",
    "30006": "hard",
    "30007": "blocked",
    "30008": "unclear",
}
_OPTED_OUT = "21610"


def refusal(post: Post, secret: Secret) -> str | None:
    """Why a post is not believed. There is no time in it: what is told twice changes nothing."""
    fields = parse_qsl(_form(post), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    # Names in their order, and of one name what is there twice once, in the order of its values.
    content = post.url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.new(secret.value.encode(), content.encode(), hashlib.sha1).digest()
    right = base64.b64encode(digest)
    given = post.headers.get(_SIGNATURE, "").encode()
    return None if hmac.compare_digest(right, given) else f"{_SIGNATURE} is not by this token"


def told(post: Post) -> list[Told]:
    """What it says of one message, or what somebody wrote."""
    given = parse_qs(_form(post), max_num_fields=_MOST_FIELDS)
    fields = {name: values[0] for name, values in given.items()}
    status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
    if status == "received" or "Body" in fields:
        return _came_in(fields)
    query = parse_qs(urlsplit(post.url).query, max_num_fields=_MOST_FIELDS)
    about = (query.get("message") or [""])[0]
    found = _status(fields, status, about)
    return [replace(found, provider_id=fields.get("MessageSid", ""))] if found is not None else []


def _status(fields: Mapping[str, str], status: str, about: str) -> Told | None:
    code = fields.get("ErrorCode", "")
    mark = f"{fields.get('MessageSid', '')} {status}"
    if status == "delivered":
        return one("delivered", about, mark)
    if status in {"failed", "undelivered"} and code == _OPTED_OUT:
        return one("complained", about, mark, code=code)
    if status in {"failed", "undelivered"}:
        return one("bounced", about, mark, grade=_ERRORS.get(code, "unclear"), code=code)
    return None


def is_stop(text: str) -> bool:
    """Whether somebody's whole message is a word that ends it."""
    return plain_text(text).strip(_AROUND).casefold() in STOP_WORDS


def _came_in(fields: Mapping[str, str]) -> list[Told]:
    number = phone_number(fields.get("From", ""))
    ends = fields.get("OptOutType") == "STOP" or is_stop(fields.get("Body", ""))
    if number is None or not ends:
        return []
    return [Told(stop=number, mark=fields.get("MessageSid") or fields.get("SmsSid", ""))]


def _form(post: Post) -> str:
    return post.body.decode("utf-8", "replace")
