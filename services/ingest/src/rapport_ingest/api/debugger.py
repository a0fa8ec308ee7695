"""The live debugger over HTTP: server-sent events (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.routes import Router
from rapport_ingest.api.fields import Reader, SourceId
from rapport_ingest.domain.source import Caller
from rapport_ingest.handlers.debugging import Debugging
from rapport_ingest.handlers.sources import require
from rapport_ingest.store import sources

HEARTBEAT_SECONDS = 10.0
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
BEGINNING = b"retry: 2000\n: connected\n\n"
HEARTBEAT = b": still here\n\n"
END = b"event: end\ndata: {}\n\n"


def debugger_routes(engine: AsyncEngine, debugging: Debugging) -> APIRouter:
    """Watch a source."""
    router = Router(tags=["events"])

    @router.get(
        "/v1/sources/{source}/live",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def live(source: SourceId, caller: Reader) -> StreamingResponse:
        """Each event of the source with its verdict, within a second, as `text/event-stream`.

        `ready`: from here on all are shown; `event`: one of them; `dropped`: so many were left
        out; `interrupted`: some may be missing until the next `ready`; `end`: connect again.
        """
        whose = Caller(caller.workspace, source)
        async with engine.begin() as tx:
            require(await sources.source(tx, whose), whose)
        debugging.require_room()
        return StreamingResponse(
            _lines(debugging, whose), media_type="text/event-stream", headers=HEADERS
        )

    return router


async def _lines(debugging: Debugging, caller: Caller) -> AsyncIterator[bytes]:
    # The watch begins with the stream: an answer that nobody reads must not hold one.
    with debugging.watch(caller) as stream:
        yield BEGINNING
        while True:
            found = await stream.take(HEARTBEAT_SECONDS)
            for name, data in found:
                yield b"event: %s\ndata: %s\n\n" % (name.encode(), data)
            if stream.ended:
                yield END
                return
            if not found:
                yield HEARTBEAT
