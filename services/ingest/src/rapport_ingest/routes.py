"""Which address speaks which dialect: every address that takes events is named here."""

from collections.abc import Mapping
from dataclasses import dataclass

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Dialect
from rapport_ingest.domain.dialects.jitsu import Jitsu
from rapport_ingest.domain.dialects.posthog import PostHog, PostHogV1
from rapport_ingest.domain.dialects.segment import Segment
from rapport_ingest.domain.dialects.snowplow import Snowplow


@dataclass(frozen=True, slots=True)
class Route:
    """One address, or with `prefix` all that begin with `path`; metrics show it as `path`."""

    path: str
    dialect: Dialect
    methods: tuple[str, ...] = ("POST",)
    prefix: bool = False


KINDS: Mapping[str, EventType | None] = {
    "track": "track",
    "identify": "identify",
    "page": "page",
    "screen": "screen",
    "group": "group",
    "alias": "alias",
    "batch": None,
}


def _segment() -> list[Route]:
    """The long names are used by servers, the one-letter names by browsers."""
    servers = [Route(f"/v1/{name}", Segment(kind)) for name, kind in KINDS.items()]
    browsers = [
        Route(f"/v1/{name[0]}", Segment(kind, browser=True)) for name, kind in KINDS.items()
    ]
    # RudderStack's browser SDK, when it sends by beacon as the page goes.
    beacon = Route("/beacon/v1/batch", Segment(None, browser=True))
    return [*servers, *browsers, beacon]


def _jitsu() -> list[Route]:
    browsers = [Route(f"/api/s/{name}", Jitsu(kind, browser=True)) for name, kind in KINDS.items()]
    servers = [Route(f"/api/s/s2s/{name}", Jitsu(kind)) for name, kind in KINDS.items()]
    return [*browsers, *servers]


def _snowplow() -> list[Route]:
    one = Snowplow()
    post = Route("/com.snowplowanalytics.snowplow/tp2", one)
    return [post, Route("/i", one, ("GET",))]


def _posthog() -> list[Route]:
    """Browsers use `/e/`; servers and phones `/batch/`; each library with or without the slash."""
    servers, browsers = PostHog(), PostHog(browser=True)
    named = {
        "/batch": servers,
        "/i/v0/ai/batch": servers,
        "/capture": browsers,
        "/e": browsers,
        "/i/v0/e": browsers,
    }
    return [
        *(Route(path, one, ("POST", "GET")) for path, one in named.items()),
        *(Route(path + "/", one, ("POST", "GET")) for path, one in named.items()),
        Route("/i/v1/analytics/events", PostHogV1()),
    ]


ROUTES: tuple[Route, ...] = (*_segment(), *_jitsu(), *_posthog(), *_snowplow())
