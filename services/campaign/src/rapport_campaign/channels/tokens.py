"""Tokens that a provider gives, or takes, for a while: made once, used until shortly before."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from rapport_campaign.channels.contract import AccountError

Timer = Callable[[], float]
"""Seconds from some instant on."""
EARLY = 60.0


class Token(NamedTuple):
    """A token, and for how many seconds it is good."""

    text: str
    seconds: float


class Kept:
    """Keeps one token. However many want it at once, it is asked for once."""

    def __init__(self, make: Callable[[], Awaitable[Token]], timer: Timer) -> None:
        self._make = make
        self._timer = timer
        self._one = asyncio.Lock()
        self._text: str | None = None
        self._until = 0.0

    async def get(self, *, instead_of: str | None = None) -> str:
        """The token; a new one where the kept one is at its end, or is the one that was refused."""
        async with self._one:
            is_refused = instead_of is not None and instead_of == self._text
            if self._text is None or is_refused or self._timer() >= self._until:
                made = await self._make()
                # Half of a very short life is used at least.
                early = min(EARLY, made.seconds / 2)
                self._text, self._until = made.text, self._timer() + made.seconds - early
            return self._text


def rsa_key(pem: str) -> RSAKey:
    """A private key (PEM); AccountError for what is none."""
    try:
        return RSAKey.import_key(pem)
    except (ValueError, TypeError, JoseError) as error:
        message = "the private key is none of RSA"
        raise AccountError(message) from error


def ec_key(pem: str) -> ECKey:
    """A private key on P-256 (PEM); AccountError for what is none."""
    try:
        found = ECKey.import_key(pem)
    except (ValueError, TypeError, JoseError) as error:
        message = "the private key is none on P-256"
        raise AccountError(message) from error
    if found.curve_name != "P-256" or not found.is_private:
        message = "the private key is none on P-256"
        raise AccountError(message)
    return found


def signed_token(
    algorithm: str, key: RSAKey | ECKey, claims: dict[str, object], key_id: str = ""
) -> str:
    """A JSON Web Token (RFC 7519)."""
    header = {"alg": algorithm, "typ": "JWT"}
    if key_id:
        header["kid"] = key_id
    return jwt.encode(header, claims, key)
