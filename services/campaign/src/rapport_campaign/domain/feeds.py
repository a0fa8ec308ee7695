"""Data feeds: what a template sees of somebody else's JSON, and what it does without an answer."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from rapport_campaign.domain.feed_addresses import host_of
from rapport_campaign.domain.provider_keys import ProviderKeys
from rapport_campaign.domain.speaking import ANYTHING, Mention, Path, place_of

ROOT = "feed"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
MOST_FEEDS = 100
MOST_HOSTS = 100
MAX_SECONDS, MAX_BYTES = 5.0, 256 * 1024
LEAST_KEPT_SECONDS = 30.0
"""An answer is used for so long at least: who waits for it has it then."""

Kind = Literal["run", "person"]
Use = Literal["data", "last_good", "suppress", "fail"]
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
OURS = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "accept-encoding"),
        *("upgrade", "te", "trailer", "expect", "keep-alive"),
        *("proxy-authorization", "proxy-connection"),
    }
)
"""Headers that say how we speak, and are not for others to set."""


class FallBack(msgspec.Struct, frozen=True, kw_only=True):
    """What a message gets when there is no answer: `data`, the last good answer (then `data` if
    there is any), or nothing, and it is not sent.
    """

    use: Use = "fail"
    data: Any = None
    last_good_seconds: int = 86_400


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """How a feed is asked. `cache_seconds` None: once for each run of a broadcast or campaign.

    `patience_seconds`: for so long a message waits for a feed that fails.
    """

    address: str
    kind: Kind
    headers: dict[str, str] = {}
    seconds: float = 3.0
    max_bytes: int = 64 * 1024
    cache_seconds: int | None = 300
    patience_seconds: int = 600
    fields: list[str] | None = None
    fall_back: FallBack = FallBack()


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed of a workspace; `sealed`: its secret headers, `secret_names` what they are called.

    `allowed`: whether its host is among those that the workspace may ask.
    """

    workspace: str
    name: str
    version: int
    spec: Spec
    changed_at: datetime
    changed_by: str
    sealed: str | None = None
    secret_names: list[str] = field(default_factory=list)
    allowed: bool = True

    @property
    def host(self) -> str:
        """Who is asked."""
        return host_of(self.spec.address)


@dataclass(frozen=True, slots=True)
class Unfit:
    """A place of a template that speaks of feeds in a way that can't be; its index in the text."""

    variable: str
    message: str
    index: int

    def told(self, field: str, source: str) -> dict[str, Any]:
        """For the details of an error."""
        where = place_of(source, self.index)
        said = f"{field}, line {where['line']}, column {where['column']}: {self.message}"
        return {"path": field, "variable": self.variable, "message": said, **where}


class FeedKeys(ProviderKeys):
    """The keys under which secret headers are kept."""

    __slots__ = ()
    kind: ClassVar[str] = "data feed"


def place_of_secrets(workspace: str, name: str) -> str:
    """Where the secret headers of a feed belong."""
    return f"{workspace}/feed/{name}"


def named(paths: Iterable[Path]) -> set[str]:
    """The feeds that are spoken of."""
    return {path[0] for path in paths if path and path[0] != ANYTHING}


def unfit(one: Mention, known: Mapping[str, Collection[str] | None]) -> Unfit | None:
    """What a text says of a feed that there is not; `known`: the top fields of each, if told."""
    there = ", ".join(sorted(known)) or "none"
    if not one.path or one.path[0] == ANYTHING:
        message = f"name one feed, as {{{{ {ROOT}.weather.sky }}}}; there are: {there}"
        return Unfit(ROOT, message, one.index)
    name, *below = one.path
    told = f"{ROOT}.{'.'.join(one.path)}"
    if name not in known:
        return Unfit(told, f"there is no feed {name!r}; there are: {there}", one.index)
    fields = known[name]
    if fields and below and below[0] not in {*fields, ANYTHING, "size", "first", "last"}:
        said = ", ".join(sorted(fields))
        return Unfit(told, f"feed {name!r} has no {below[0]!r}; it has: {said}", one.index)
    return None


def wanted_of(data: Any, name: str, paths: Iterable[Path]) -> Any:
    """Of an answer what is spoken of: the rest need not travel with each mail."""
    below = {path[1:2] for path in paths if path and path[0] == name}
    if not isinstance(data, dict) or any(not one or one[0] == ANYTHING for one in below):
        return data
    fields = {one[0] for one in below}
    if fields & {"size", "first", "last"}:
        return data
    return {key: value for key, value in data.items() if key in fields}


def header_problem(name: str, value: str) -> str | None:
    """What is wrong with a header, or None."""
    if HEADER.fullmatch(name) is None or name.lower() in OURS:
        return f"{name[:64]!r} is no header that a feed may have"
    if not value.isprintable() or not value.isascii() or len(value) > 4000:  # noqa: PLR2004
        return f"the value of {name!r} must be one line of at most 4000 characters of ASCII"
    return None
