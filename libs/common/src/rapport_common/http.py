"""The FastAPI app every service starts from: errors, health, request metrics and trace."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from rapport_common import logging, tracing
from rapport_common.auth import Authenticator
from rapport_common.db import is_contention, is_retriable, took_too_long
from rapport_common.door import Bounds, Door
from rapport_common.errors import AppError, UnavailableError
from rapport_common.http_metrics import HTTP
from rapport_common.problem_pages import problem_page
from rapport_common.reference import add_reference
from rapport_common.wording import place, told_by_pydantic

log = logging.get(__name__)

CHECK_SECONDS = 3.0

Check = Callable[[], Awaitable[str | None]]
"""A readiness check: None when all is well, else what is wrong."""

_UNREAD = "it is read as JSON only with the header `Content-Type: application/json`"

_CANNOT_BE_READ: tuple[tuple[type[Exception], str], ...] = (
    (RecursionError, "The body is nested too deep to be read."),
    (UnicodeDecodeError, "The body is no text in UTF-8."),
    (ValueError, "The body has a number with too many digits to be read."),
)
"""Of a body that is no JSON that a program could read, what is wrong with it."""

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Health:
    """What /readyz asks; checks are added by the composition root and the workers."""

    def __init__(self, *, seconds: float = CHECK_SECONDS) -> None:
        self.checks: dict[str, Check] = {}
        self.draining = False
        self._seconds = seconds
        self._asked: dict[str, asyncio.Task[str | None]] = {}

    async def report(self) -> tuple[bool, dict[str, str]]:
        """(ready, {check: "ok" or what is wrong}), within 3 s.

        A check that does not come back is asked once, and not again until it has.
        """
        for name, check in self.checks.items():
            if name not in self._asked:
                self._asked[name] = asyncio.get_running_loop().create_task(_asked(check))
        asked = dict(self._asked)
        if asked:
            await asyncio.wait(asked.values(), timeout=self._seconds)
        results = {name: self._result(name, one) for name, one in asked.items()}
        if self.draining:
            results["draining"] = "the process is stopping"
        return all(one == "ok" for one in results.values()), results

    def _result(self, name: str, asked: "asyncio.Task[str | None]") -> str:
        if not asked.done():
            return f"no answer within {self._seconds:g} s"
        self._asked.pop(name, None)
        return asked.result() or "ok"


async def _asked(check: Check) -> str | None:
    return await check()


def create_app(
    service: str, health: Health, authenticator: Authenticator, bounds: Bounds | None = None
) -> FastAPI:
    """An app with the house's front door and error format, /healthz and /readyz."""
    app = FastAPI(
        title=f"Rapport {service}",
        version="1",
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.authenticator = authenticator
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(Door, router=app.router, bounds=bounds or Bounds())
    app.add_middleware(RequestScope, service=service)
    add_health_routes(app, health)
    add_reference(app)
    return app


def add_health_routes(app: FastAPI, health: Health) -> None:
    """GET /healthz (the process lives, nothing else) and GET /readyz (it can do its work)."""

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz", tags=["health"], responses={503: {"description": "What is away."}})
    async def readyz() -> JSONResponse:
        ready, checks = await health.report()
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


def route_of(scope: Scope) -> str:
    """The template of a request's path: paths themselves have tokens in them."""
    return str(getattr(scope.get("route"), "path", "unmatched"))


class RequestScope:
    """Continues the caller's trace and measures each request by its route template."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        traceparent = tracing.enter(headers.get(b"traceparent", b"").decode("latin-1"))
        started = time.perf_counter()
        status, begun = 500, False

        async def observed(message: MutableMapping[str, Any]) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"traceparent", traceparent.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:
            if begun:
                raise  # the connection ends in the middle of the answer: so the client knows
            await _failed(scope, error)(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            HTTP.observe(self._service, route_of(scope), scope["method"], status, seconds)


class _Told(JSONResponse):
    """JSON that may repeat what was sent: half a surrogate pair, which no UTF-8 has, is `?`."""

    @override
    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def _answer(
    scope: Scope, body: dict[str, Any], status: int, headers: dict[str, str] | None = None
) -> Response:
    """An error as JSON, or as a page where people ask."""
    page = problem_page(
        scope.get("app"), scope["path"], scope["headers"], status, str(body["message"])
    )
    if page is None:
        return _Told(body, status, headers)
    html = page.html.encode("utf-8", "replace")
    return HTMLResponse(html, status, {**(headers or {}), **page.headers})


async def _app_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, AppError):
        raise error
    return _answer(request.scope, error.body(), error.status, error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        {"path": place(one["loc"]), "message": told_by_pydantic(one["msg"]), "type": one["type"]}
        for one in error.errors()
    ]
    # FastAPI leaves a body as it came when its type is another, as it is what curl says of `-d`.
    if isinstance(error.body, bytes):
        problems = [
            {**one, "message": _UNREAD} if one["path"] == "body" else one for one in problems
        ]
    first = problems[0] if problems else {"path": "body", "message": "not valid"}
    message = f"{first['path']}: {first['message']}"
    body = {"code": "invalid_request", "message": message, "details": {"problems": problems}}
    return _answer(request.scope, jsonable_encoder(body), 422)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODES.get(error.status_code, "bad_request")
    message = f"{request.method} {request.url.path}: {_detail(error)}"
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request.scope))
    body = {"code": code, "message": message, "details": {}}
    return _answer(request.scope, body, error.status_code, headers)


def _detail(error: HTTPException) -> str:
    if error.status_code == HTTPStatus.BAD_REQUEST:
        for kind, message in _CANNOT_BE_READ:
            if isinstance(error.__cause__, kind):
                return message
    return error.detail


def _methods(scope: Scope) -> list[str]:
    """All that a path can be asked by (RFC 9110, 15.5.6), and not only by its first route."""
    alike = (
        one for one in scope["app"].router.routes if one.matches(dict(scope))[0] is not Match.NONE
    )
    return sorted({method for one in alike for method in getattr(one, "methods", None) or ()})


def _failed(scope: Scope, error: Exception) -> Response:
    """The answer to a request that no handler had an answer for."""
    if isinstance(error, ClientDisconnect):
        # Nobody hears this: it is for the counts of answers.
        message = "The connection was closed before the end of the body."
        error = AppError(message, code="broken_off")
    elif took_too_long(error):
        message = "This asks for more than the database can look up in time: ask for less at once."
        error = UnavailableError(message, code="too_slow", retry_after=5)
    elif is_contention(error):
        message = "Somebody else is changing the same just now; try the same request again."
        error = UnavailableError(message)
    elif is_retriable(error):
        error = UnavailableError("The database is away for the moment; try the same request again.")
    if isinstance(error, AppError):
        return _answer(scope, error.body(), error.status, error.headers)
    log.error("request failed", route=route_of(scope), exc_info=error)
    body = {
        "code": "internal",
        "message": "Something broke on our side; the log has it under this trace id.",
        "details": {"traceparent": tracing.current()},
    }
    return _answer(scope, body, 500)
