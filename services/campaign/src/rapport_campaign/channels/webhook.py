"""Messages posted to a program, after Standard Webhooks 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the id
of a message is the same each time, by which the receiver knows what it has taken. So one that went
unanswered is posted again.
"""

import binascii
from collections.abc import Mapping
from typing import ClassVar

import msgspec
from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    AccountError,
    Meaning,
    Speaking,
    Told,
    content_of,
    outcome,
    taken,
)
from rapport_campaign.channels.http import Http, Reply, Request
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.parcels import Channel, Parcel, Post
from rapport_common import clock
from rapport_common.outside.signed_posts import signed

GONE = 410
_GONE = Meaning(ACCOUNT.result, ACCOUNT.fault, wait=3600)


class Webhook(Speaking):
    """An address and the secret by which posts to it are signed."""

    channel: ClassVar[Channel] = "webhook"
    honours_keys: ClassVar[bool] = True

    def __init__(self, http: Http, settings: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """`settings` and `secrets` as `domain.providers` names them."""
        self._http = http
        self._url = settings["url"]
        self._secret = secrets["secret"]

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        post = content_of(parcel, Post)
        return await self._post(f"msg_{parcel.message_id}", post.type, parcel.address, post.data)

    @override
    async def _check(self) -> Outcome:
        return await self._post("msg_check", "rapport.check", "", b"{}")

    async def _post(self, message_id: str, kind: str, person: str, data: bytes) -> Outcome:
        now = clock.now()
        body = msgspec.json.encode(
            {"type": kind, "timestamp": now, "profile_id": person, "data": msgspec.Raw(data)}
        )
        try:
            headers = dict(signed(message_id, now, body, [self._secret]))
        except (ValueError, binascii.Error) as error:
            message = "its secret is none: whsec_ and base64"
            raise AccountError(message) from error
        headers["content-type"] = "application/json"
        reply = await self._http.ask(Request("POST", self._url, headers, body))
        return taken(None) if reply.is_yes else self._refused(reply)

    def _refused(self, reply: Reply) -> Outcome:
        # What a receiver writes is not kept: it is nobody's documented answer.
        if reply.status == GONE:
            return outcome(_GONE, Told("", "the receiver wants nothing any more"), reply)
        return self._by_status(reply)
