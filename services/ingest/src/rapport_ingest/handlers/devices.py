"""Makes ready what reads user agents, before the first one comes."""

import asyncio

from rapport_ingest.domain.client import prepare


class Devices:
    """A worker that builds the matcher of user agents beside the start.

    It takes about half a second and 30 MB; the first event with a user agent would wait for it.
    """

    name = "devices"

    async def run(self, stop: asyncio.Event) -> None:
        """Build it once, then wait for `stop`."""
        await asyncio.to_thread(prepare)
        await stop.wait()
