"""Text messages by Twilio: its Messages resource.

https://www.twilio.com/docs/messaging/api/message-resource, the codes:
https://www.twilio.com/docs/api/errors. It knows no key by which it would take a message once, and
lists what it has taken by number and day.
"""

import base64
from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar
from urllib.parse import urlencode

from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    DEAD,
    LATER,
    OPTED_OUT,
    REFUSED,
    TOO_FAST,
    UNSUITABLE,
    Codes,
    Speaking,
    Told,
    UnusableParcelError,
    content_of,
    taken,
)
from rapport_campaign.channels.http import Http, Reply, Request, instant_of
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.inquiries import Finding, Question, Record, digest
from rapport_campaign.domain.parcels import Channel, Parcel, Text

MOST_LETTERS = 1600
_PAGE = 20
_LOST = frozenset({"failed", "undelivered", "canceled"})

CODES: Codes = {
    "10001": ACCOUNT,  # account is not active
    "20003": ACCOUNT,  # authentication
    "20005": ACCOUNT,  # account not active
    "20404": ACCOUNT,  # no such account
    "20429": TOO_FAST,
    "14107": TOO_FAST,  # message rate limit exceeded
    "21211": DEAD,  # "To" is no number
    "21217": DEAD,  # does not appear to be valid
    "21408": REFUSED,  # no permission for the region
    "21602": REFUSED,  # a body is required
    "21603": ACCOUNT,  # "From" is required
    "21606": ACCOUNT,  # "From" can't send
    "21608": ACCOUNT,  # a trial account sends to verified numbers only
    "21610": OPTED_OUT,  # has answered STOP
    "21611": LATER,  # the queue of "From" is full
    "21612": UNSUITABLE,  # no route from this "From" to this "To"
    "21614": UNSUITABLE,  # not a mobile number
    "21617": REFUSED,  # longer than 1,600 letters
    "21635": UNSUITABLE,  # a landline
    "21659": ACCOUNT,  # "From" is not of this account
    "21660": ACCOUNT,
    "21701": ACCOUNT,  # no such messaging service
    "21703": ACCOUNT,  # the messaging service has no numbers
    "30006": UNSUITABLE,  # landline or unreachable carrier
    "63038": ACCOUNT,  # the account's daily limit
}


class Twilio(Speaking):
    """An account at Twilio."""

    channel: ClassVar[Channel] = "sms"
    asks: ClassVar[bool] = True

    def __init__(self, http: Http, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """`settings` and `secrets` as `domain.providers` names them."""
        self._http = http
        self._settings = settings
        user = settings["key_sid"] or settings["account_sid"]
        login = base64.b64encode(f"{user}:{secrets['auth_token']}".encode()).decode()
        self._headers = {"authorization": f"Basic {login}", "accept": "application/json"}
        sid = settings["account_sid"]
        self._account = f"{settings['base_url'].rstrip('/')}/2010-04-01/Accounts/{sid}"

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        text = content_of(parcel, Text).text
        if len(text) > MOST_LETTERS:
            message = f"longer than {MOST_LETTERS} letters, which is all that Twilio takes"
            raise UnusableParcelError(message)
        sender = self._settings["from"]
        wanted = {
            "To": parcel.address,
            "MessagingServiceSid" if sender.startswith("MG") else "From": sender,
            "Body": text,
        }
        if self._settings["status_callback"]:
            wanted["StatusCallback"] = _callback(self._settings["status_callback"], parcel.token)
        headers = {**self._headers, "content-type": "application/x-www-form-urlencoded"}
        reply = await self._http.ask(
            Request("POST", f"{self._account}/Messages.json", headers, urlencode(wanted).encode())
        )
        body = reply.json()
        if reply.is_yes and isinstance(body.get("sid"), str):
            return taken(body["sid"])
        return self._judged(reply, _told(reply), CODES)

    @override
    async def _ask_about(self, question: Question) -> Finding:
        """Messages to a number that say the same and were made then; it knows no word of ours."""
        day = f"{question.since.astimezone(UTC):%Y-%m-%d}"
        query = urlencode({"To": question.address, "DateSent>": day, "PageSize": str(_PAGE)})
        url = f"{self._account}/Messages.json?{query}"
        reply = await self._http.ask(Request("GET", url, self._headers))
        listed = reply.json().get("messages")
        if not reply.is_yes or not isinstance(listed, list):
            return self._unfound(reply, _told(reply), CODES)
        found = [one for one in listed if isinstance(one, dict) and _is_about(one, question)]
        return Finding([_record(one) for one in reversed(found)])

    @override
    async def _check(self) -> Outcome:
        reply = await self._http.ask(Request("GET", f"{self._account}.json", self._headers))
        state = reply.json().get("status")
        if reply.is_yes and state == "active":
            return taken(None)
        if reply.is_yes and state is not None:
            return Outcome("released", f"the account is {state}", fault="account")
        return self._judged(reply, _told(reply), CODES)


def _callback(url: str, token: str) -> str:
    """Where it tells of a message: also of one whose sid we were never told."""
    more = urlencode({"message": token})
    return f"{url}{'&' if '?' in url else '?'}{more}" if token else url


def _is_about(one: Mapping[str, Any], question: Question) -> bool:
    """Whether it says that text, and was made when the message was handed over."""
    made = instant_of(str(one.get("date_created", "")))
    is_then = made is not None and question.since <= made <= question.until
    says, sid = str(one.get("body") or ""), one.get("sid")
    outbound = str(one.get("direction", "")).startswith("outbound")
    return is_then and outbound and bool(sid) and digest(says) == question.digest


def _record(one: Mapping[str, Any]) -> Record:
    status = str(one.get("status", ""))
    why = f"{status} {one.get('error_code') or ''} {one.get('error_message') or ''}".strip()
    return Record(str(one["sid"])[:200], status in _LOST, why)


def _told(reply: Reply) -> Told:
    body = reply.json()
    return Told(str(body.get("code", "")), str(body.get("message", "")))
