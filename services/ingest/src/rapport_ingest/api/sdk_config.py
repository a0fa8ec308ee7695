"""What SDKs ask for before they send: their settings, feature flags; and what is thrown away.

The answers hold nothing of a source's: a key is looked at only so that a wrong one is seen at
once, and is taken for right while it can't be told, or a page that opens then would send nothing.
What a page waits for is always answered, if only with an empty list; and nothing is left out whose
absence an SDK takes for a no.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from rapport_common.errors import AppError, UnauthorizedError, UnavailableError
from rapport_common.routes import Router
from rapport_ingest import metrics
from rapport_ingest.api.public import TAG
from rapport_ingest.domain.credentials import credential, key_id_of
from rapport_ingest.handlers.keyring import KeyRing

FRESH = {"Cache-Control": "private, max-age=60"}
SEGMENT = "Segment.io"
CUSTOMERIO = "Customer.io Data Pipelines"
"""What the SDK and its fork call the place their events go to.

Without its own name an SDK sends to its maker; with a second one it fetches a script from there,
and sends nothing until it has it. Both ask for the same path: the fork has a base of its own.
"""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")

Serve = Callable[[Request, str], Response]
Keyed = Callable[[Request, str | None, Serve], Awaitable[Response]]
"""Answers with what is served to the holder of a key, or with why it is none."""

POSTHOG_CONFIG: dict[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js"],
    # Without this posthog-js captures neither clicks nor forms by itself.
    "autocapture_opt_out": False,
    # After "false" it asks for none, and never calls those who wait for flags.
    "hasFeatureFlags": True,
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
"""What posthog-js is told it may do here: send events, packed, also those it captures by itself."""

POSTHOG_DECIDE: dict[str, Any] = POSTHOG_CONFIG | {"config": {"enable_collect_everything": True}}
"""The same for older ones, which ask `/decide`."""

NO_FLAGS: dict[str, Any] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}

NOTHING_THERE: dict[str, dict[str, Any]] = {
    "/api/surveys": {"surveys": []},
    "/api/early_access_features": {"earlyAccessFeatures": []},
    "/api/web_experiments": {"experiments": []},
    "/api/product_tours": {"product_tours": []},
    # What servers' SDKs with a personal key ask to compute flags by themselves.
    "/flags/definitions": {"flags": [], "group_type_mapping": {}, "cohorts": {}},
    "/api/feature_flag/local_evaluation": {"flags": [], "group_type_mapping": {}, "cohorts": {}},
}
"""What else PostHog's SDKs ask for and wait for."""

MIXPANEL_SETTINGS: dict[str, Any] = {"sdk_config": {"config": {"record_sessions_percent": 0}}}
"""What Mixpanel's browser SDK waits for before it starts: nothing but that it records nothing."""

AMPLITUDE_CONFIG: dict[str, Any] = {
    "configs": {
        "analyticsSDK": {"browserSDK": {}},
        "diagnostics": {"browserSDK": {"enabled": False, "sampleRate": 0}},
        "sessionReplay": {"sr_sampling_config": {"capture_enabled": False, "sample_rate": 0}},
    }
}
"""What Amplitude's browser SDK waits for before its first event: what the page says stays.

Its diagnostics would go to its maker, and recordings are not kept.
"""


def sdk_config_routes(keys: KeyRing) -> APIRouter:
    """The routes of SDKs that take no events; any page may call them."""
    router = Router(tags=[TAG])

    async def keyed(request: Request, key: str | None, serve: Serve) -> Response:
        try:
            if not key:
                raise _no_key()
            await keys.sender(key)
        except UnavailableError:
            if key_id_of(key or "") is None:
                raise
        except AppError as error:
            return _answer(error.body(), error.status, error.headers)
        return serve(request, key or "")

    @router.get("/sourceConfig")
    async def rudder_source(request: Request, writeKey: str = "") -> Response:  # noqa: N803 - theirs
        """For @rudderstack/analytics-js, with `configUrl` set to this host."""
        found = credential(dict(request.scope["headers"])) or writeKey
        return await keyed(request, found, lambda _, known: _rudder_source(known))

    @router.get("/array/{key}/config")
    async def posthog_config(request: Request, key: str) -> Response:
        """For PostHog's SDKs, with `api_host` set to this host."""
        return await keyed(request, key, lambda *_: _answer(POSTHOG_CONFIG))

    @router.get("/array/{key}/config.js")
    async def posthog_script(request: Request, key: str) -> Response:
        """The same as a script."""
        return await keyed(request, key, lambda _, known: _posthog_script(known))

    @router.get("/config/{key}")
    async def amplitude_config(request: Request, key: str) -> Response:
        """For @amplitude/analytics-browser, with `remoteConfig.serverUrl` this host + `/config`."""
        return await keyed(request, key, lambda *_: _answer(AMPLITUDE_CONFIG))

    _add_segment(router, keyed)
    _add_answers(router)
    return router


def _add_segment(router: APIRouter, keyed: Keyed) -> None:
    """The settings of Segment's browser SDK and of its fork, each with its own name in them."""

    @router.get("/v1/projects/{key}/settings")
    async def segment_settings(request: Request, key: str) -> Response:
        """For @segment/analytics-next, with `cdnURL` set to this host."""
        return await keyed(request, key, partial(_segment_settings, name=SEGMENT))

    @router.get("/customerio/v1/projects/{key}/settings")
    async def customerio_settings(request: Request, key: str) -> Response:
        """For @customerio/cdp-analytics-browser, with `cdnURL` set to this host + `/customerio`."""
        return await keyed(request, key, partial(_segment_settings, name=CUSTOMERIO))


def _add_answers(router: APIRouter) -> None:
    """The routes whose answer is the same for everyone; their bodies are not read."""

    async def flags() -> Response:
        """There are no feature flags, at PostHog's SDKs and Mixpanel's."""
        return _answer(NO_FLAGS)

    async def decide() -> Response:
        """What older PostHog SDKs ask: settings and flags in one."""
        return _answer(POSTHOG_DECIDE | NO_FLAGS)

    async def settings() -> Response:
        """For mixpanel-browser with `remote_settings_mode`."""
        return _answer(MIXPANEL_SETTINGS)

    async def recording() -> Response:
        """A session recording: answered, so that it does not come again, and thrown away."""
        metrics.RECORDINGS_DROPPED.inc()
        return _answer({"status": 1, "dropped": "Session recordings are not kept."})

    async def measurements() -> Response:
        """What Segment's browser SDK measures of itself: thrown away."""
        return _answer({"success": True})

    answers: dict[str, tuple[list[str], Callable[[], Awaitable[Response]]]] = {
        "/flags": (["POST", "GET"], flags),
        "/decide": (["POST", "GET"], decide),
        "/s": (["POST"], recording),
        "/record": (["POST"], recording),
        "/settings": (["GET"], settings),
        "/v1/m": (["POST"], measurements),
        **{path: (["GET"], _always(path, body)) for path, body in NOTHING_THERE.items()},
    }
    for path, (methods, handler) in answers.items():
        for method in methods:
            router.add_api_route(path, handler, methods=[method])


def _always(path: str, body: dict[str, Any]) -> Callable[[], Awaitable[Response]]:
    async def nothing() -> Response:
        return _answer(body)

    nothing.__doc__ = "There are none here: PostHog's SDKs are told so."
    nothing.__name__ = f"no{path.replace('/', '_')}"
    return nothing


def _segment_settings(request: Request, key: str, name: str) -> Response:
    destination: dict[str, Any] = {
        "apiKey": key,
        "unbundledIntegrations": [],
        "maybeBundledConfigIds": {},
        "addBundledMetadata": True,
    }
    host = request.headers.get("host", "")
    if _HOST.fullmatch(host):
        # Events come to where the settings came from, unless the page says otherwise.
        destination |= {"apiHost": f"{host}/v1", "protocol": _scheme(request)}
    enabled = {"__default": {"enabled": True, "integrations": {}}}
    body = {
        "integrations": {name: destination},
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
    return _answer(body, headers=FRESH)


def _scheme(request: Request) -> str:
    """How the browser reached us, as a proxy in front that ends TLS tells."""
    told = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return told if told in {"http", "https"} else request.url.scheme


def _rudder_source(key: str) -> Response:
    source = {
        "id": key_id_of(key) or "rapport",
        "name": "Rapport",
        "writeKey": key,
        "workspaceId": "rapport",
        "enabled": True,
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "config": {
            "statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}
        },
        "destinations": [],
        "connections": [],
        "dataplanes": {},
    }
    return _answer({"source": source, "isHosted": False}, headers=FRESH)


def _posthog_script(key: str) -> Response:
    name = msgspec.json.encode(key).decode()
    config = msgspec.json.encode({"config": POSTHOG_CONFIG, "siteApps": []}).decode()
    place = "window._POSTHOG_REMOTE_CONFIG"
    script = f"{place}={place}||{{}};{place}[{name}]={config};\n"
    return Response(script, media_type="text/javascript", headers=FRESH)


def _answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers)


def _no_key() -> UnauthorizedError:
    return UnauthorizedError("Whose settings? Give the write key as the SDK does.")
