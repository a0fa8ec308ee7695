"""The addresses any page may call, and those that are none: each answer can be read by the page.

Without these headers a browser shows a page no status at all: a mistyped address would look like
a fault of CORS.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rapport_ingest.domain.cors import cors, preflight

TAG = "sdk"
"""The tag of the routes that any page may call."""

METHODS = ("GET", "POST", "PUT")
UNANSWERED = frozenset({404, 405})
ALLOW_ORIGIN = b"access-control-allow-origin"


class Public:
    """Wraps the application of all routes that take no events."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        replaced = False

        async def told(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_public(scope):
                asked = dict(scope["headers"])
                if scope["method"] == "OPTIONS" and message["status"] in UNANSWERED:
                    replaced = True
                    allowed = [*preflight(asked, METHODS), (b"content-length", b"0")]
                    await send({**message, "status": 200, "headers": allowed})
                    await send({"type": "http.response.body", "body": b""})
                    return
                headers = list(message.get("headers", ()))
                if not any(name == ALLOW_ORIGIN for name, _ in headers):
                    message = {**message, "headers": [*headers, *cors(asked.get(b"origin"))]}
            if not replaced:
                await send(message)

        await self._app(scope, receive, told)


def _is_public(scope: Scope) -> bool:
    """Whether the request met one of the SDKs' routes, or none at all."""
    route = scope.get("route")
    if route is None:
        return "endpoint" not in scope
    return TAG in getattr(route, "tags", ())
