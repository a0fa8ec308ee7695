"""Which address speaks which dialect: every address that takes events is named here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Dialect
from rapport_ingest.domain.dialects.amplitude import Amplitude, Batch, problem
from rapport_ingest.domain.dialects.cloudevents import CloudEvents
from rapport_ingest.domain.dialects.customerio import CustomerIo
from rapport_ingest.domain.dialects.jitsu import Jitsu
from rapport_ingest.domain.dialects.jitsu_three import JitsuThree
from rapport_ingest.domain.dialects.measurement import Measurement
from rapport_ingest.domain.dialects.mixpanel import Mixpanel
from rapport_ingest.domain.dialects.pixel import IMAGE, Pixel
from rapport_ingest.domain.dialects.posthog import PostHog, PostHogV1
from rapport_ingest.domain.dialects.segment import Segment
from rapport_ingest.domain.dialects.snowplow import Snowplow
from rapport_ingest.domain.dialects.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Route:
    """One address, or with `prefix` all that begin with `path`; metrics show it as `path`.

    `key_in_url`: the write key is the rest of the path, or in the query, and counts before one in
    a header, where the sender's own credential may stand. `key_name` is what the query calls it,
    where it may stand anywhere. `failed` is what is shown in place of an error's JSON, under the
    error's status. `problem` makes of that status and an error's JSON what this client reads.
    """

    path: str
    dialect: Dialect
    methods: tuple[str, ...] = ("POST",)
    prefix: bool = False
    key_in_url: bool = False
    key_name: str = "writeKey"
    failed: Answer | None = None
    problem: Callable[[int, Mapping[str, Any]], dict[str, Any]] | None = None


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
    # June's forks: single events come from browsers, batches from servers.
    june = [
        Route(f"/sdk/{name}", Segment(kind, browser=kind is not None))
        for name, kind in KINDS.items()
    ]
    return [
        *servers,
        *browsers,
        *june,
        # What Segment's clients for Ruby, Java and older Android call a batch.
        Route("/v1/import", Segment(None)),
        # RudderStack's browser SDK, when it sends by beacon as the page goes.
        Route("/beacon/v1/batch", Segment(None, browser=True)),
    ]


def _jitsu() -> list[Route]:
    browsers = [Route(f"/api/s/{name}", Jitsu(kind, browser=True)) for name, kind in KINDS.items()]
    servers = [Route(f"/api/s/s2s/{name}", Jitsu(kind)) for name, kind in KINDS.items()]
    third = [
        Route("/api/v1/event", JitsuThree(browser=True), key_name="token"),
        Route("/api/v1/s2s/event", JitsuThree(), key_name="token"),
    ]
    return [*browsers, *servers, *third]


def _snowplow() -> list[Route]:
    one = Snowplow()
    post = Route("/com.snowplowanalytics.snowplow/tp2", one)
    return [post, Route("/i", one, ("GET",))]


def _posthog() -> list[Route]:
    """Browsers use `/e/`; servers and phones `/batch/`."""
    servers, browsers = PostHog(), PostHog(browser=True)
    named = {
        "/i/v0/ai/batch": servers,
        "/capture": browsers,
        "/e": browsers,
        "/i/v0/e": browsers,
    }
    both = ("POST", "GET")
    return [
        *(Route(path, one, both) for path, one in named.items()),
        # Amplitude's SDKs use it too, and PostHog's read no code.
        Route("/batch", Batch(), both, problem=problem),
        Route("/i/v1/analytics/events", PostHogV1()),
    ]


def _others() -> list[Route]:
    """Mixpanel, Amplitude, Customer.io and the Measurement Protocol."""
    both = ("POST", "GET")
    customerio = CustomerIo()
    return [
        Route("/track", Mixpanel(), both),
        Route("/engage", Mixpanel(profiles=True), both),
        Route("/groups", Mixpanel(profiles=True), both),
        Route("/import", Mixpanel(strict=True)),
        Route("/2/httpapi", Amplitude(), problem=problem),
        Route("/api/v1/customers/", customerio, ("PUT", "POST"), prefix=True),
        Route("/api/v1/events", customerio),
        Route("/api/v1/merge_customers", customerio),
        Route("/mp/collect", Measurement(), key_in_url=True, key_name="api_secret"),
    ]


def _pixels() -> list[Route]:
    """Segment's addresses and RudderStack's, and one of our own for all types."""
    kinds = [kind for kind in KINDS.values() if kind]
    places: list[tuple[str, EventType | None]] = [("/v1/pixel.gif", None)]
    places += [
        (f"{folder}/{kind}", kind) for folder in ("/v1/pixel", "/pixel/v1") for kind in kinds
    ]
    return [Route(path, Pixel(kind), ("GET",), failed=IMAGE) for path, kind in places]


def _webhooks() -> list[Route]:
    webhook = Webhook()
    return [
        Route("/v1/webhook", webhook, key_in_url=True),
        Route("/v1/webhook/", webhook, prefix=True, key_in_url=True),
    ]


ROUTES: tuple[Route, ...] = (
    *_segment(),
    *_jitsu(),
    *_posthog(),
    *_snowplow(),
    *_others(),
    *_pixels(),
    *_webhooks(),
    Route("/v1/cloudevents", CloudEvents()),
)
