"""Which address speaks which dialect: every address that takes events is named here."""

from collections.abc import Mapping
from dataclasses import dataclass

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Dialect
from rapport_ingest.domain.dialects.segment import Segment


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
    return [*servers, *browsers]


ROUTES: tuple[Route, ...] = (*_segment(),)
