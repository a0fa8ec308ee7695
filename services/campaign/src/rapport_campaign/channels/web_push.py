"""Messages to browsers: RFC 8030, sealed after RFC 8291, and signed by VAPID (RFC 8292).

The address is whatever a browser has said, so each push service is one on its own: what one of them
refuses says nothing about the account. A message with the same `Topic` takes the place of one that
still waits there, so what was shown is not called back, and no key makes a message one.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from typing_extensions import override

from rapport_campaign.channels.contract import (
    DEAD,
    LATER,
    REFUSED,
    AccountError,
    Meaning,
    Speaking,
    Told,
    UnusableParcelError,
    content_of,
    outcome,
    taken,
)
from rapport_campaign.channels.encryption import (
    MOST_BYTES,
    SubscriptionError,
    point,
    sealed,
    subscription,
    unpadded,
)
from rapport_campaign.channels.http import Http, Reply, Request
from rapport_campaign.channels.tokens import Kept, Timer, Token, ec_key, signed_token
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.parcels import Channel, Notification, Parcel
from rapport_common import clock

_LIFE = 12 * 3600
"""RFC 8292, 2: a token is good for a day at most."""
_MOST_SERVICES = 1000

STATUSES: Mapping[int, Meaning] = {
    400: REFUSED,
    401: LATER,
    403: LATER,  # often a subscription that was made with another key
    404: DEAD,
    410: DEAD,
    413: REFUSED,
    429: Meaning("retry", wait=60),
    503: Meaning("retry", wait=60),
}
"""RFC 8030, 7.3 and 8.4. None of it is the account's fault: see above."""


class WebPush(Speaking):
    """A key of VAPID."""

    channel: ClassVar[Channel] = "web_push"
    speaks_to_one: ClassVar[bool] = False

    def __init__(
        self,
        http: Http,
        settings: Mapping[str, str],
        secrets: Mapping[str, str],
        timer: Timer = time.monotonic,
    ) -> None:
        """`settings` and `secrets` as `domain.providers` names them; `timer` counts seconds."""
        self._http = http
        self._subject = settings["subject"]
        self._pem = secrets["private_key"]
        self._timer = timer
        self._tokens: dict[str, Kept] = {}

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        told = content_of(parcel, Notification)
        try:
            to = subscription(parcel.address)
        except SubscriptionError as error:
            return Outcome("failed", str(error), contact="dead")
        shown = {"title": told.title, "body": told.body, "url": told.url, "data": dict(told.data)}
        message = msgspec.json.encode(shown)
        if len(message) > MOST_BYTES:
            text = f"larger than {MOST_BYTES} bytes, which is all that browsers take"
            raise UnusableParcelError(text)
        parts = urlsplit(to.endpoint)
        headers = {
            "authorization": await self._authorization(f"{parts.scheme}://{parts.netloc}"),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(told.keep_seconds),
            "topic": unpadded(hashlib.sha256(parcel.message_id.encode()).digest())[:32],
        }
        reply = await self._http.ask(Request("POST", to.endpoint, headers, sealed(to, message)))
        if reply.is_yes:
            return taken(reply.headers.get("location"))
        return self._refused(reply)

    @override
    async def _check(self) -> Outcome:
        """There is nobody to ask: the key is one, or it is not."""
        ec_key(self._pem)
        return taken(None)

    @property
    def public_key(self) -> str:
        """What a page gives to `pushManager.subscribe`; AccountError."""
        return unpadded(point(self._private()))

    def _refused(self, reply: Reply) -> Outcome:
        meaning = STATUSES.get(reply.status)
        if meaning is not None:
            return outcome(meaning, Told(), reply)
        found = self._by_status(reply)
        return replace(found, result="failed", fault=None) if found.fault == "account" else found

    def _private(self) -> EllipticCurvePrivateKey:
        found = ec_key(self._pem).private_key
        if found is None:
            message = "the key of VAPID is no private one"
            raise AccountError(message)
        return found

    async def _authorization(self, audience: str) -> str:
        if len(self._tokens) > _MOST_SERVICES:
            self._tokens.clear()
        kept = self._tokens.get(audience)
        if kept is None:

            async def make() -> Token:
                until = int(clock.now().timestamp()) + _LIFE
                claims: dict[str, object] = {"aud": audience, "exp": until, "sub": self._subject}
                return Token(signed_token("ES256", ec_key(self._pem), claims), _LIFE)

            kept = self._tokens[audience] = Kept(make, self._timer)
        return f"vapid t={await kept.get()}, k={self.public_key}"
