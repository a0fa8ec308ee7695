"""Whose word on operators is taken: public keys (JWKS, RFC 7517) by issuer, from text, file or web.

A key's kind says which algorithm it is for (RFC 8725, 3.1), so no token can pick another; shared
secrets are no keys here: who can check with one could sign with it.
"""

import asyncio
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from rapport_common import logging
from rapport_common.errors import UnavailableError

log = logging.get(__name__)

Key = RSAKey | ECKey | OKPKey

MIN_RSA_BITS = 2048
MAX_DOCUMENT = 2**18
FRESH_SECONDS = 300.0
AGAIN_SECONDS = 10.0
FETCH_SECONDS = 5.0

ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256"}),
    "P-256": frozenset({"ES256"}),
    # RFC 9864 names it anew; both are the same signature.
    "Ed25519": frozenset({"Ed25519", "EdDSA"}),
}


class KeysError(ValueError):
    """What is given is not a set of public keys that can be used."""


def keys_of(document: str | bytes) -> dict[str, tuple[Key, frozenset[str]]]:
    """By their ids, the keys of a JWKS that are of use here, with their algorithms; KeysError."""
    try:
        found = json.loads(document)["keys"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of keys that are left out here
            read = [_read(one) for one in found]
    except (AttributeError, KeyError, TypeError, ValueError, JoseError) as error:
        message = 'not a JWKS: it is JSON like {"keys": [{"kty": …, "kid": …}]} (RFC 7517)'
        raise KeysError(message) from error
    usable = {kid: (key, algorithms) for one in read if one for kid, key, algorithms in [one]}
    if not usable:
        message = (
            "no usable key: those of RSA (2,048 bits or more), P-256 and Ed25519 are, for "
            "signatures, public"
        )
        raise KeysError(message)
    return usable


def _read(one: dict[str, Any]) -> tuple[str, Key, frozenset[str]] | None:
    kind = one.get("crv") if one.get("kty") in {"EC", "OKP"} else one.get("kty")
    algorithms = ALGORITHMS.get(str(kind))
    if algorithms is None or one.get("use", "sig") != "sig":
        return None
    if one.get("alg", next(iter(algorithms))) not in algorithms:
        return None
    key = import_key({name: value for name, value in one.items() if name not in _PRIVATE})
    if not isinstance(key, Key):
        return None
    if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
        return None
    return str(one.get("kid") or key.thumbprint()), key, algorithms


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


class KeySource:
    """The keys of one issuer. Those at an address are fetched when they are wanted, and kept for
    five minutes; while the address is away the known ones go on.
    """

    def __init__(self, given: str) -> None:
        self._url = given if given.startswith(("https://", "http://")) else None
        self._keys: dict[str, tuple[Key, frozenset[str]]] = {}
        self._asked_at = self._fetched_at = float("-inf")
        self._asking = asyncio.Lock()
        if self._url is None:
            text = given if given.lstrip().startswith("{") else Path(given).read_text("utf-8")
            self._keys = keys_of(text)

    async def find(self, kid: str | None) -> tuple[Key, frozenset[str]] | None:
        """The key with this id, or the only one there is; UnavailableError: none is known yet."""
        if self._url is not None and self._wants(kid):
            async with self._asking:
                if self._wants(kid):
                    await self._fetch(self._url)
        if self._url is not None and not self._keys:
            message = "The keys that tokens are checked by can't be fetched; try again in a moment."
            raise UnavailableError(message, retry_after=int(AGAIN_SECONDS))
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _wants(self, kid: str | None) -> bool:
        now = monotonic()
        if now - self._asked_at < AGAIN_SECONDS:
            return False
        return now - self._fetched_at > FRESH_SECONDS or (kid is not None and kid not in self._keys)

    async def _fetch(self, url: str) -> None:
        import httpx  # noqa: PLC0415 - 20 MB, only where there is an address to ask

        self._asked_at = monotonic()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = keys_of(await _document(url))
        except (httpx.HTTPError, TimeoutError, OSError, KeysError) as error:
            log.warning("keys of operators not fetched, known ones go on", url=url, error=error)
        else:
            self._fetched_at = monotonic()


async def _document(url: str) -> bytes:
    import httpx  # noqa: PLC0415 - only where there is an address to ask

    text = b""
    async with httpx.AsyncClient() as client, client.stream("GET", url) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_bytes():
            text += piece
            if len(text) > MAX_DOCUMENT:
                message = f"more than {MAX_DOCUMENT} bytes"
                raise KeysError(message)
    return text
