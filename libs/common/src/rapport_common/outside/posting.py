"""Posts over HTTP, to where a workspace says, and only where it may.

A name is looked up here, and the connection goes to the address that was looked at: between a look
and a connection of its own it could lead elsewhere. Redirections are not followed, proxies of the
environment not used, and of an answer nothing but its status is kept.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from datetime import timedelta

import httpcore
import httpx

from rapport_common.outside.addresses import Network
from rapport_common.outside.connecting import ForbiddenAddressError, Guarded
from rapport_common.outside.webhooks import Answer

CONNECT_SECONDS = 5.0
MOST_SECONDS = 15.0
"""Of a post as a whole: who drips an answer byte by byte gets no more."""

_TIMEOUTS = {"connect": CONNECT_SECONDS, "read": 10.0, "write": 10.0, "pool": 10.0}
_CONNECTIONS, _IDLE, _IDLE_SECONDS = 128, 32, 20.0


class Poster:
    """Posts, keeping connections open for a while."""

    def __init__(self, own: Sequence[Network] = (), *, seconds: float = MOST_SECONDS) -> None:
        self._own = own
        self._seconds = seconds
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def post(self, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
        """Post; what came of it. It raises nothing that a receiver could bring about."""
        try:
            async with asyncio.timeout(self._seconds):
                pool = await self._open()
                async with pool.stream(
                    "POST",
                    url,
                    headers=[(name.encode(), value.encode()) for name, value in headers],
                    content=body,
                    extensions={"timeout": _TIMEOUTS},
                ) as answer:
                    return Answer(answer.status, None, _retry_after(answer.headers))
        except TimeoutError:
            return Answer(error=f"no answer within {self._seconds:g} s")
        except ForbiddenAddressError as error:
            return Answer(error=str(error))
        except (httpcore.TimeoutException, httpcore.NetworkError) as error:
            return Answer(error=f"no connection, or it broke: {type(error).__name__}")
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ssl.SSLError) as error:
            return Answer(error=f"no answer that can be read: {type(error).__name__}")
        except (OSError, ValueError) as error:
            return Answer(error=f"can't be posted to: {type(error).__name__}")

    async def close(self) -> None:
        """Close what is open."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _open(self) -> httpcore.AsyncConnectionPool:
        if self._pool is None:
            # To read the authorities takes as long as a hundred posts: once, beside the loop.
            trusted = await asyncio.to_thread(httpx.create_ssl_context)
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=trusted,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_IDLE,
                keepalive_expiry=_IDLE_SECONDS,
                network_backend=Guarded(self._own),
            )
        return self._pool


def _retry_after(headers: Sequence[tuple[bytes, bytes]]) -> timedelta | None:
    """The seconds that an answer asks for; a date is not read."""
    for name, value in headers:
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 10:  # noqa: PLR2004 - digits of 30 years in seconds
            return timedelta(seconds=int(value))
    return None
