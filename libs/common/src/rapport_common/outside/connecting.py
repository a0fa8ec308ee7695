"""Connections to what a name leads to, if it may be spoken to.

A name is looked up here, and the connection goes to the address that was looked at: between a look
and a connection of its own it could lead elsewhere.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import httpcore
from typing_extensions import override

from rapport_common.outside.addresses import Network, is_allowed
from rapport_common.outside.looking_up import LookUps


class ForbiddenAddressError(httpcore.ConnectError):
    """A name that leads to a private network."""


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects to what a name leads to, if all of that is allowed."""

    def __init__(self, own: Sequence[Network], look_ups: LookUps | None = None) -> None:
        self._own = own
        self._look_ups = look_ups or LookUps()
        self._plain = httpcore.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._look_ups.addresses(host, port)
        if not addresses or not all(is_allowed(one, self._own) for one in addresses):
            message = "its name leads to a private network, or nowhere"
            raise ForbiddenAddressError(message)
        for one in addresses[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._plain.connect_tcp(one, port, timeout, local_address)
        return await self._plain.connect_tcp(addresses[-1], port, timeout, local_address)
