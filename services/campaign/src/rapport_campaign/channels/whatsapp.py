"""Template messages by the Cloud API of WhatsApp.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages, the codes:
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes. No key makes a message
one.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    AWAY,
    OPTED_OUT,
    REFUSED,
    TOO_FAST,
    UNSUITABLE,
    Codes,
    Meaning,
    Speaking,
    Told,
    content_of,
    taken,
)
from rapport_campaign.channels.http import Http, Reply, Request
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.parcels import Channel, Parcel, Templated

_A_MINUTE, _AN_HOUR, _A_DAY = 60, 3600, 86_400

CODES: Codes = {
    "0": ACCOUNT,
    "1": AWAY,
    "2": AWAY,
    "3": ACCOUNT,
    "4": TOO_FAST,
    "10": ACCOUNT,
    "33": ACCOUNT,  # the number was deleted
    "100": REFUSED,
    "190": ACCOUNT,  # the token has expired
    "200": ACCOUNT,
    "368": ACCOUNT,  # blocked for its policy
    "80007": TOO_FAST,
    "130429": TOO_FAST,
    "130472": REFUSED,  # part of an experiment: never delivered
    "131000": AWAY,
    "131005": ACCOUNT,
    "131008": REFUSED,
    "131009": REFUSED,
    "131016": AWAY,
    "131021": REFUSED,
    "131026": UNSUITABLE,  # is not on WhatsApp, or takes nothing
    "131031": ACCOUNT,
    "131042": ACCOUNT,  # payment
    "131045": ACCOUNT,
    "131047": REFUSED,
    "131048": Meaning("retry", fault="pace", wait=_AN_HOUR),
    "131049": Meaning("retry", wait=_A_DAY),  # had enough promotions
    "131050": OPTED_OUT,
    "131051": REFUSED,
    "131056": Meaning("retry", wait=_A_MINUTE),  # too many to this number
    "132000": REFUSED,
    "132001": REFUSED,
    "132005": REFUSED,
    "132007": REFUSED,
    "132012": REFUSED,
    "132015": REFUSED,
    "132016": REFUSED,
    "133010": ACCOUNT,
}


class WhatsApp(Speaking):
    """A number that sends."""

    channel: ClassVar[Channel] = "whatsapp"

    def __init__(self, http: Http, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """`settings` and `secrets` as `domain.providers` names them."""
        self._http = http
        base = settings["base_url"].rstrip("/")
        self._number = f"{base}/{settings['version']}/{settings['phone_number_id']}"
        self._headers = {
            "authorization": f"Bearer {secrets['access_token']}",
            "content-type": "application/json",
        }

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        told = content_of(parcel, Templated)
        template: dict[str, Any] = {"name": told.template, "language": {"code": told.language}}
        if told.parameters:
            parameters = [{"type": "text", "text": one} for one in told.parameters.values()]
            template["components"] = [{"type": "body", "parameters": parameters}]
        wanted = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": parcel.address.removeprefix("+"),
            "type": "template",
            "template": template,
        }
        reply = await self._http.ask(
            Request("POST", f"{self._number}/messages", self._headers, msgspec.json.encode(wanted))
        )
        given = _id(reply)
        if reply.is_yes and given:
            return taken(given)
        return self._judged(reply, _told(reply), CODES)

    @override
    async def _check(self) -> Outcome:
        reply = await self._http.ask(Request("GET", self._number, self._headers))
        if reply.is_yes and reply.json().get("id"):
            return taken(None)
        return self._judged(reply, _told(reply), CODES)


def _id(reply: Reply) -> str:
    found = reply.json().get("messages")
    first = found[0] if isinstance(found, list) and found else None
    return str(first.get("id", "")) if isinstance(first, dict) else ""


def _told(reply: Reply) -> Told:
    error = reply.json().get("error")
    if not isinstance(error, dict):
        return Told()
    return Told(str(error.get("code", "")), str(error.get("message", "")))
