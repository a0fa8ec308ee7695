"""Template messages of WeChat official accounts.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html,
the codes: https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html.
All answers have the status 200. `client_msg_id` makes a message one, for ten minutes: so what went
unanswered is sent once more at once, and is unknown only if that goes unanswered, too.
"""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec
from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    AWAY,
    DEAD,
    LATER,
    OPTED_OUT,
    REFUSED,
    TOO_FAST,
    Codes,
    Meaning,
    Speaking,
    Told,
    content_of,
    taken,
)
from rapport_campaign.channels.fcm import fetched
from rapport_campaign.channels.http import Http, NotSentError, Reply, Request, UnansweredError
from rapport_campaign.channels.tokens import Kept, Timer, Token
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.parcels import Channel, Parcel, Templated

_AN_HOUR = 3600
STALE = frozenset({"40001", "40014", "42001"})
"""Of an access token that is no more: another one is asked for."""

CODES: Codes = {
    "-1": AWAY,
    "40001": ACCOUNT,
    "40003": DEAD,  # no open id of this account
    "40013": ACCOUNT,
    "40014": ACCOUNT,
    "40037": REFUSED,  # no such template
    "40125": ACCOUNT,
    "40164": ACCOUNT,  # our address is not on the list
    "41001": ACCOUNT,
    "42001": ACCOUNT,
    "43004": OPTED_OUT,  # does not follow the account (any more)
    "43101": OPTED_OUT,  # refuses these messages
    "43116": REFUSED,  # the template is blocked
    "45009": Meaning("released", fault="account", wait=_AN_HOUR),  # the calls of the day
    "45011": TOO_FAST,
    "45047": LATER,
    "47001": REFUSED,
    "47003": REFUSED,
    "48001": ACCOUNT,
    "50001": ACCOUNT,
    "50002": ACCOUNT,
}


class WeChat(Speaking):
    """An official account."""

    channel: ClassVar[Channel] = "wechat"

    def __init__(
        self,
        http: Http,
        settings: Mapping[str, str],
        secrets: Mapping[str, str],
        timer: Timer = time.monotonic,
    ) -> None:
        """`settings` and `secrets` as `domain.providers` names them; `timer` counts seconds."""
        self._http = http
        self._base = settings["base_url"].rstrip("/")
        self._app = settings["app_id"]
        self._secret = secrets["app_secret"]
        self._token = Kept(self._new_token, timer)

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        told = content_of(parcel, Templated)
        wanted: dict[str, Any] = {
            "touser": parcel.address,
            "template_id": told.template,
            "data": {name: {"value": value} for name, value in told.parameters.items()},
            "client_msg_id": hashlib.sha256(parcel.message_id.encode()).hexdigest()[:32],
        }
        if told.url:
            wanted["url"] = told.url
        body = msgspec.json.encode(wanted)
        token = await self._token.get()
        reply = await self._twice(token, body)
        if _code(reply) in STALE:
            reply = await self._twice(await self._token.get(instead_of=token), body)
        if reply.is_yes and _code(reply) == "0":
            return taken(str(reply.json().get("msgid", "")))
        told_why = Told(_code(reply), str(reply.json().get("errmsg", "")))
        if reply.is_yes and told_why.code and told_why.code not in CODES:
            return Outcome("failed", str(told_why))
        return self._judged(reply, told_why, CODES)

    @override
    async def _check(self) -> Outcome:
        await self._token.get()
        return taken(None)

    async def _twice(self, token: str, body: bytes) -> Reply:
        address = f"{self._base}/cgi-bin/message/template/send?{urlencode({'access_token': token})}"
        request = Request("POST", address, {"content-type": "application/json"}, body)
        try:
            return await self._http.ask(request)
        except UnansweredError as error:
            try:
                return await self._http.ask(request)
            except NotSentError:
                # Whether the first one was taken is as open as before.
                raise error from None

    async def _new_token(self) -> Token:
        query = urlencode(
            {"grant_type": "client_credential", "appid": self._app, "secret": self._secret}
        )
        request = Request("GET", f"{self._base}/cgi-bin/token?{query}")
        # A refusal has the status 200, and a number; -1 is "busy".
        return await fetched(self._http, request, lambda reply: _code(reply) not in {"", "-1"})


def _code(reply: Reply) -> str:
    found = reply.json().get("errcode")
    return "" if found is None else str(found)
