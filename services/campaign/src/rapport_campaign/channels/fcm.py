"""Push messages by Firebase Cloud Messaging, HTTP v1.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send, the errors:
https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode, the token of a service account:
https://developers.google.com/identity/protocols/oauth2/service-account. No key makes a message one.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec
from typing_extensions import override

from rapport_campaign.channels.contract import (
    ACCOUNT,
    AWAY,
    DEAD,
    REFUSED,
    TOO_FAST,
    AccountError,
    Codes,
    Speaking,
    Told,
    content_of,
    taken,
)
from rapport_campaign.channels.http import Http, NotSentError, Reply, Request, UnansweredError
from rapport_campaign.channels.tokens import Kept, Timer, Token, rsa_key, signed_token
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.parcels import Channel, Notification, Parcel
from rapport_common import clock

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AN_HOUR = 3600
_UNAUTHENTICATED = 401

CODES: Codes = {
    "UNREGISTERED": DEAD,
    "SENDER_ID_MISMATCH": REFUSED,  # of another project, which another account may know
    "INVALID_ARGUMENT": REFUSED,
    "QUOTA_EXCEEDED": TOO_FAST,
    "RESOURCE_EXHAUSTED": TOO_FAST,
    "UNAVAILABLE": AWAY,
    "INTERNAL": AWAY,
    "THIRD_PARTY_AUTH_ERROR": ACCOUNT,  # the certificate for Apple, or the key of web push
    "UNAUTHENTICATED": ACCOUNT,
    "PERMISSION_DENIED": ACCOUNT,
    "NOT_FOUND": ACCOUNT,  # the project; a token that is gone is UNREGISTERED
}


class Fcm(Speaking):
    """A service account of a project."""

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
        base = settings["base_url"].rstrip("/")
        self._url = f"{base}/v1/projects/{settings['project_id']}/messages:send"

    @override
    async def _send(self, parcel: Parcel) -> Outcome:
        told = content_of(parcel, Notification)
        message: dict[str, Any] = {
            "token": parcel.address,
            "notification": {"title": told.title, "body": told.body},
            "data": {**told.data, **({"url": told.url} if told.url else {})},
            "android": {"ttl": f"{told.keep_seconds}s"},
        }
        return await self._post({"message": message})

    @override
    async def _check(self) -> Outcome:
        """Nobody has this token: who is told so is let in."""
        message = {"token": "rapport-check", "notification": {"title": "x", "body": "x"}}
        outcome = await self._post({"validate_only": True, "message": message})
        return taken(None) if outcome.result == "failed" else outcome

    async def _post(self, wanted: Mapping[str, Any]) -> Outcome:
        token = await self._token.get()
        reply = await self._ask(token, wanted)
        if reply.status == _UNAUTHENTICATED and _told(reply).code != "THIRD_PARTY_AUTH_ERROR":
            # It may have been taken back before its time: once more by a new one.
            reply = await self._ask(await self._token.get(instead_of=token), wanted)
        name = reply.json().get("name")
        if reply.is_yes and isinstance(name, str):
            return taken(name)
        return self._judged(reply, _told(reply), CODES)

    async def _ask(self, token: str, wanted: Mapping[str, Any]) -> Reply:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return await self._http.ask(
            Request("POST", self._url, headers, msgspec.json.encode(wanted))
        )

    async def _new_token(self) -> Token:
        now = int(clock.now().timestamp())
        claims: dict[str, object] = {
            "iss": self._settings["client_email"],
            "scope": SCOPE,
            "aud": self._settings["token_url"],
            "iat": now,
            "exp": now + _AN_HOUR,
        }
        assertion = signed_token("RS256", rsa_key(self._pem), claims)
        return await fetched(
            self._http,
            Request(
                "POST",
                self._settings["token_url"],
                {"content-type": "application/x-www-form-urlencoded"},
                urlencode({"grant_type": _GRANT, "assertion": assertion}).encode(),
            ),
            _is_refusal,
        )


MOST_LIFE = 86_400
"""Seconds for which a token is believed to be good."""


async def fetched(http: Http, request: Request, is_refusal: Callable[[Reply], bool]) -> Token:
    """An access token (RFC 6749, 5). Whatever happens to it, the message was not sent.

    AccountError on what `is_refusal`, with what was said; NotSentError on all else.
    """
    try:
        reply = await http.ask(request)
    except UnansweredError as error:
        message = f"no access token: {error}"
        raise NotSentError(message) from error
    body = reply.json()
    text, seconds = body.get("access_token"), body.get("expires_in")
    if reply.is_yes and isinstance(text, str) and isinstance(seconds, int | float):
        # A number of JSON has any number of digits.
        return Token(text, float(min(max(seconds, 0), MOST_LIFE)))
    said = body.get("error_description") or body.get("error") or body.get("errmsg") or ""
    message = f"no access token: {reply.status} {said}".strip()
    raise (AccountError if is_refusal(reply) else NotSentError)(message)


def _is_refusal(reply: Reply) -> bool:
    return "error" in reply.json() and 400 <= reply.status < 404  # noqa: PLR2004 - RFC 6749, 5.2


def _told(reply: Reply) -> Told:
    """The code of FCM's own where there is one, else that of Google's APIs."""
    error = reply.json().get("error")
    if not isinstance(error, dict):
        return Told()
    code = str(error.get("status", ""))
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("errorCode"), str):
            code = detail["errorCode"]
    return Told(code, str(error.get("message", "")))
