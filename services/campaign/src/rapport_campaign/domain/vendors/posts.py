"""A post of a vendor, and what it says: what all of them share."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rapport_campaign.domain import bounces
from rapport_campaign.domain.outcomes import OutcomeClass, OutcomeKind, Report, one_line
from rapport_campaign.domain.returning import Returned, in_text, read

REPLAY_SECONDS = 300
"""So old, or so far ahead, may a post be that says when it was made."""
MOST_TOLD = 2000


@dataclass(frozen=True, slots=True)
class Post:
    """A request: names of headers in lower case; `url` as the vendor called it; `at` is now.

    `certificate`: of who has signed it, fetched from where the post says, in PEM.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    certificate: bytes = b""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a vendor and we know; `topic`: of which topic posts are."""

    value: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a post says: of the first message of ours that it names, or of a number.

    `stop`: the owner of this phone number (E.164) wants no more. `provider_id`: by what the vendor
    knows the message, where it tells no token.
    """

    report: Report | None = None
    said: list[Returned] = field(default_factory=list)
    stop: str | None = None
    mark: str = ""
    provider_id: str = ""


def document(body: bytes) -> Any:
    """The JSON of a post; ValueError for what is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = "the body is no JSON"
        raise ValueError(message) from error


def text_of(holder: Any, *path: str) -> str:
    """A text in a document, where there is one."""
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, bool) or holder is None:
        return ""
    return str(holder) if isinstance(holder, str | int | float) else ""


def one(
    kind: OutcomeKind,
    about: Any,
    mark: str,
    *,
    grade: OutcomeClass = "",
    code: str = "",
    text: str = "",
) -> Told:
    """A report about the message that is named anywhere in `about`."""
    whole = about if isinstance(about, str) else msgspec.json.encode(about).decode()
    report = Report(kind, short_mark(mark or whole), grade, one_line(code), one_line(text))
    return Told(report, in_text(whole) or _bare(whole))


def graded(status: str, text: str) -> OutcomeClass:
    """How bad a failure is that a vendor calls one for good: where words say nothing, it is."""
    found = bounces.grade(bounces.status_in(status) or bounces.status_in(text), text)
    return "hard" if found == "unclear" else found


def is_near(stamp: str, at: float, seconds: float = REPLAY_SECONDS) -> bool:
    """Whether a time in seconds is about now."""
    try:
        return abs(float(stamp) - at) <= seconds
    except (ValueError, OverflowError):
        return False


def short_mark(text: str) -> str:
    """What tells a report from others."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _bare(text: str) -> list[Returned]:
    """A token that stands alone: one that we have put into an address to be called."""
    found = read(text.strip().lower())
    return [found] if found is not None else []
