"""What SDKs ask for before they send: their settings, feature flags; and what is thrown away.

The answers hold nothing of a source's: a key is looked at only so that a wrong one is seen at
once, and is taken for right while it can't be told, or a page that opens then would send nothing.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from rapport_common.errors import AppError, UnauthorizedError, UnavailableError
from rapport_ingest import metrics
from rapport_ingest.domain.cors import cors
from rapport_ingest.domain.credentials import credential, key_id_of
from rapport_ingest.handlers.keyring import KeyRing

FRESH = {"Cache-Control": "private, max-age=60"}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")

Serve = Callable[[Request, str], Response]

POSTHOG_CONFIG: dict[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "sessionRecording": False,
    "capturePerformance": False,
    "autocaptureExceptions": False,
    "captureDeadClicks": False,
    "heatmaps": False,
    "surveys": False,
    "productTours": False,
    "conversations": False,
    "logs": {"captureConsoleLogs": False},
    "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
    "elementsChainAsString": True,
    "defaultIdentifiedOnly": True,
    "isAuthenticated": False,
    "toolbarParams": {},
    "siteApps": [],
    "siteAppsJS": [],
}
"""What posthog-js is told it may do here: send events, packed."""

NO_FLAGS: dict[str, Any] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}


def sdk_config_routes(keys: KeyRing) -> APIRouter:
    """The routes of SDKs that take no events; any page may call them."""
    router = APIRouter(tags=["sdk"])

    async def keyed(request: Request, key: str | None, serve: Serve) -> Response:
        try:
            if not key:
                raise _no_key()
            await keys.sender(key)
        except UnavailableError:
            if key_id_of(key or "") is None:
                raise
        except AppError as error:
            return _answer(request, error.body(), error.status, error.headers)
        return serve(request, key or "")

    @router.get("/v1/projects/{key}/settings")
    async def segment_settings(request: Request, key: str) -> Response:
        """For @segment/analytics-next, with `cdnURL` set to this host."""
        return await keyed(request, key, _segment_settings)

    @router.get("/sourceConfig")
    @router.get("/sourceConfig/")
    async def rudder_source(request: Request, writeKey: str = "") -> Response:  # noqa: N803 - theirs
        """For @rudderstack/analytics-js, with `configUrl` set to this host."""
        found = credential(dict(request.scope["headers"])) or writeKey
        return await keyed(request, found, _rudder_source)

    @router.get("/array/{key}/config")
    async def posthog_config(request: Request, key: str) -> Response:
        """For PostHog's SDKs, with `api_host` set to this host."""
        return await keyed(request, key, lambda asked, _: _answer(asked, POSTHOG_CONFIG))

    @router.get("/array/{key}/config.js")
    async def posthog_script(request: Request, key: str) -> Response:
        """The same as a script."""
        return await keyed(request, key, _posthog_script)

    _add_answers(router)
    return router


def _add_answers(router: APIRouter) -> None:
    """The routes whose answer is the same for everyone; their bodies are not read."""

    async def flags(request: Request) -> Response:
        """There are no feature flags."""
        return _answer(request, NO_FLAGS)

    async def decide(request: Request) -> Response:
        """What older PostHog SDKs ask: settings and flags in one."""
        return _answer(request, POSTHOG_CONFIG | NO_FLAGS)

    async def recording(request: Request) -> Response:
        """A session recording: answered, so that it does not come again, and thrown away."""
        metrics.RECORDINGS_DROPPED.inc()
        return _answer(request, {"status": 1, "dropped": "Session recordings are not kept."})

    async def measurements(request: Request) -> Response:
        """What Segment's browser SDK measures of itself: thrown away."""
        return _answer(request, {"success": True})

    answers: dict[str, tuple[list[str], Callable[[Request], Awaitable[Response]]]] = {
        "/flags": (["POST", "GET"], flags),
        "/decide": (["POST", "GET"], decide),
        "/s": (["POST"], recording),
        "/v1/m": (["POST"], measurements),
    }
    for path, (methods, handler) in answers.items():
        for method in methods:
            router.add_api_route(path, handler, methods=[method])
            router.add_api_route(path + "/", handler, methods=[method], include_in_schema=False)
    preflights = [*answers, *(one + "/" for one in answers)]
    preflights += ["/v1/projects/{key}/settings", "/sourceConfig", "/sourceConfig/"]
    preflights += ["/array/{key}/config", "/array/{key}/config.js"]
    for path in preflights:
        router.add_api_route(path, _preflight, methods=["OPTIONS"], include_in_schema=False)


async def _preflight(request: Request) -> Response:
    """What a browser asks before it asks."""
    asked = request.headers.get("access-control-request-headers", "")
    more = {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": asked or "authorization, content-type",
        "Access-Control-Max-Age": "86400",
    }
    return Response(headers={**_cors(request), **more})


def _segment_settings(request: Request, key: str) -> Response:
    destination: dict[str, Any] = {
        "apiKey": key,
        "unbundledIntegrations": [],
        "maybeBundledConfigIds": {},
        "addBundledMetadata": True,
        "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
    }
    host = request.headers.get("host", "")
    if _HOST.fullmatch(host):
        # Events come to where the settings came from, unless the page says otherwise.
        destination |= {"apiHost": f"{host}/v1", "protocol": _scheme(request)}
    enabled = {"__default": {"enabled": True, "integrations": {}}}
    body = {
        "integrations": {"Segment.io": destination},
        "plan": {"track": enabled, "identify": enabled, "group": enabled},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
        # Else the SDK reports on itself to its maker.
        "metrics": {"sampleRate": 0},
    }
    return _answer(request, body, headers=FRESH)


def _scheme(request: Request) -> str:
    """How the browser reached us, as a proxy in front that ends TLS tells."""
    told = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return told if told in {"http", "https"} else request.url.scheme


def _rudder_source(request: Request, key: str) -> Response:
    source = {
        "id": key_id_of(key) or "rapport",
        "name": "Rapport",
        "writeKey": key,
        "workspaceId": "rapport",
        "enabled": True,
        "config": {
            "statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}
        },
        "destinations": [],
        "connections": [],
        "dataplanes": {},
    }
    return _answer(request, {"source": source, "isHosted": False}, headers=FRESH)


def _posthog_script(request: Request, key: str) -> Response:
    name = msgspec.json.encode(key).decode()
    config = msgspec.json.encode({"config": POSTHOG_CONFIG, "siteApps": []}).decode()
    place = "window._POSTHOG_REMOTE_CONFIG"
    script = f"{place}={place}||{{}};{place}[{name}]={config};\n"
    return Response(script, media_type="text/javascript", headers={**_cors(request), **FRESH})


def _answer(
    request: Request, body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse(body, status, {**_cors(request), **(headers or {})})


def _cors(request: Request) -> dict[str, str]:
    origin = dict(request.scope["headers"]).get(b"origin")
    return {name.decode(): value.decode("latin-1") for name, value in cors(origin)}


def _no_key() -> UnauthorizedError:
    return UnauthorizedError("Whose settings? Give the write key as the SDK does.")
