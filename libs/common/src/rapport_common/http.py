"""The FastAPI app every service starts from: errors, health, request metrics and trace."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from rapport_common import logging, tracing
from rapport_common.auth import Authenticator
from rapport_common.db import is_retriable
from rapport_common.errors import AppError, UnavailableError
from rapport_common.http_metrics import HTTP

log = logging.get(__name__)

Check = Callable[[], Awaitable[str | None]]
"""A readiness check: None when all is well, else what is wrong."""

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Problem(BaseModel):
    """The body of every error: `code` is for programs, `message` says what to do."""

    code: str
    message: str
    details: dict[str, Any]


class Health:
    """What /readyz asks; checks are added by the composition root and the workers."""

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.draining = False

    async def report(self) -> tuple[bool, dict[str, str]]:
        """(ready, {check: "ok" or what is wrong})."""
        results = {name: await check() or "ok" for name, check in self.checks.items()}
        if self.draining:
            results["draining"] = "the process is stopping"
        return all(one == "ok" for one in results.values()), results


def create_app(service: str, health: Health, secret: str) -> FastAPI:
    """An app with the house's error format, /healthz and /readyz, and no telemetry of its own."""
    app = FastAPI(
        title=f"Rapport {service}",
        version="1",
        responses={"default": {"model": Problem, "description": "Any error."}},
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.authenticator = Authenticator(secret)
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(RequestScope, service=service)
    add_health_routes(app, health)
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
        status = 500

        async def observed(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"traceparent", traceparent.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seconds = time.perf_counter() - started
            HTTP.observe(self._service, route, scope["method"], status, seconds)


async def _app_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AppError):
        raise error
    return JSONResponse(error.body(), error.status, error.headers)


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        {"path": ".".join(map(str, one["loc"])), "message": one["msg"], "type": one["type"]}
        for one in error.errors()
    ]
    first = problems[0] if problems else {"path": "body", "message": "not valid"}
    message = f"{first['path']}: {first['message']}"
    body = {"code": "invalid_request", "message": message, "details": {"problems": problems}}
    return JSONResponse(jsonable_encoder(body), 422)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODES.get(error.status_code, "bad_request")
    message = f"{request.method} {request.url.path}: {error.detail}"
    body = {"code": code, "message": message, "details": {}}
    return JSONResponse(body, error.status_code, dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    if is_retriable(error):
        away = UnavailableError("The database is away for the moment; try the same request again.")
        return JSONResponse(away.body(), away.status, away.headers)
    log.error("request failed", path=request.url.path, exc_info=error)
    body = {
        "code": "internal",
        "message": "Something broke on our side; the log has it under this trace id.",
        "details": {"traceparent": tracing.current()},
    }
    return JSONResponse(body, 500)
