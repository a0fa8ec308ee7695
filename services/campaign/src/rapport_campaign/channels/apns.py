"""Push messages by Apple's service, over HTTP/2.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns,
the answers: https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns,
the token: https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns.
`apns-id` names a message, and does not make it one.
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    AWAY,
    DEAD,
    LATER,
    REFUSED,
    Codes,
    Meaning,
    Speaking,
    Told,
    UnusableParcelError,
    content_of,
    taken,
)
from rapport_campaign.channels.http import Http, Reply, Request
from rapport_campaign.channels.tokens import Kept, Timer, Token, ec_key, signed_token
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.devices import APPLE_TOKEN
from rapport_campaign.domain.parcels import Channel, Notification, Parcel
from rapport_common import clock

MOST_BYTES = 4096
_LIFE = 50 * 60.0
"""Apple takes a token for an hour, and wants no new one within twenty minutes."""
_NOBODY = "0" * 64

CODES: Codes = {
    "BadDeviceToken": REFUSED,  # also one of the other environment, which another account knows
    "DeviceTokenNotForTopic": REFUSED,  # of another app
    "Unregistered": DEAD,
    "ExpiredToken": DEAD,
    "BadTopic": ACCOUNT,
    "TopicDisallowed": ACCOUNT,
    "MissingTopic": ACCOUNT,
    "BadCertificate": ACCOUNT,
    "BadCertificateEnvironment": ACCOUNT,
    "ExpiredProviderToken": ACCOUNT,
    "InvalidProviderToken": ACCOUNT,
    "MissingProviderToken": ACCOUNT,
    "UnrelatedKeyIdInToken": ACCOUNT,
    "BadEnvironmentKeyIdInToken": ACCOUNT,
    "Forbidden": ACCOUNT,
    "BadPath": ACCOUNT,
    "PayloadTooLarge": REFUSED,
    "PayloadEmpty": REFUSED,
    "TooManyProviderTokenUpdates": Meaning("retry", fault="pace", wait=60),
    "TooManyRequests": Meaning("retry", wait=60),  # to this device
    "IdleTimeout": LATER,
    "InternalServerError": AWAY,
    "ServiceUnavailable": AWAY,
    "Shutdown": AWAY,
}


class Apns(Speaking):
    """A key of a team, for one app."""

    channel: ClassVar[Channel] = "push"

    def __init__(
        self,
        http: Http,
        settings: Mapping[str, str],
        secrets: Mapping[str, str],
        timer: Timer = time.monotonic,
    ) -> None:
        """`settings` and `secrets` as `domain.providers` names them; `timer` counts seconds."""
        self._http = http
        self._settings = settings
        self._pem = secrets["private_key"]
        self._token = Kept(self._new_token, timer)

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        told = content_of(parcel, Notification)
        if APPLE_TOKEN.fullmatch(parcel.address) is None:
            # It may well be somebody's elsewhere.
            return Outcome("failed", "no device token of Apple's: hexadecimal digits")
        wanted: dict[str, Any] = {"aps": {"alert": {"title": told.title, "body": told.body}}}
        wanted |= {name: value for name, value in told.data.items() if name != "aps"}
        if told.url:
            wanted["url"] = told.url
        body = msgspec.json.encode(wanted)
        if len(body) > MOST_BYTES:
            message = f"larger than {MOST_BYTES} bytes, which is all that Apple takes"
            raise UnusableParcelError(message)
        until = int(clock.now().timestamp()) + told.keep_seconds
        headers = {
            "apns-id": str(uuid.uuid5(uuid.NAMESPACE_OID, parcel.message_id)),
            "apns-expiration": str(until if told.keep_seconds else 0),
        }
        return await self._post(parcel.address, headers, body)

    @override
    async def _check(self) -> Outcome:
        """Nobody has this token: who is told so is let in."""
        body = b'{"aps":{"content-available":1}}'
        outcome = await self._post(_NOBODY, {}, body, kind="background")
        return taken(None) if outcome.result == "failed" else outcome

    async def _post(
        self, device: str, headers: Mapping[str, str], body: bytes, kind: str = "alert"
    ) -> Outcome:
        reply = await self._http.ask(
            Request(
                "POST",
                f"{self._settings['base_url'].rstrip('/')}/3/device/{device}",
                {
                    "authorization": f"bearer {await self._token.get()}",
                    "apns-topic": self._settings["topic"],
                    "apns-push-type": kind,
                    "apns-priority": "10" if kind == "alert" else "5",
                    "content-type": "application/json",
                    **headers,
                },
                body,
                version=2,
            )
        )
        if reply.status == 200:  # noqa: PLR2004 - the only yes there is
            return taken(reply.headers.get("apns-id"))
        return self._judged(reply, Told(_reason(reply)), CODES)

    async def _new_token(self) -> Token:
        claims: dict[str, object] = {
            "iss": self._settings["team_id"],
            "iat": int(clock.now().timestamp()),
        }
        text = signed_token("ES256", ec_key(self._pem), claims, self._settings["key_id"])
        return Token(text, _LIFE)


def _reason(reply: Reply) -> str:
    return str(reply.json().get("reason", ""))
