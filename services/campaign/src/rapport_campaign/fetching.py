"""Fetches by HTTPS what a vendor's post names: the certificate of its signer, a confirmation.

Only addresses that are known to be the vendor's, see `domain.vendors.ses`; no redirects, a few
kilobytes, a few seconds. What is wrong with it is the vendor's fault, and no error of ours.
"""

from collections import OrderedDict
from typing import Final, Protocol

import httpx

SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024
MOST_KEPT: Final = 20


class FetchError(Exception):
    """It is not there, or is not what it should be."""


class Fetch(Protocol):
    """What gets the body behind an address; FetchError."""

    async def __call__(self, url: str) -> bytes:
        """Get it."""
        ...


async def fetched(url: str) -> bytes:
    """The body behind an address; FetchError."""
    body = bytearray()
    try:
        async with (
            httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                message = f"it says {answer.status_code}"
                raise FetchError(message)
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    message = f"it is larger than {MOST_BYTES} bytes"
                    raise FetchError(message)
    except httpx.HTTPError as error:
        raise FetchError(type(error).__name__) from error
    return bytes(body)


class Certificates:
    """Those that were fetched before: few there are, and they hold for a year."""

    def __init__(self, fetch: Fetch = fetched) -> None:
        self.fetch = fetch
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def of(self, url: str) -> bytes:
        """The certificate at an address; FetchError."""
        if url not in self._kept:
            self._kept[url] = await self.fetch(url)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return self._kept[url]
