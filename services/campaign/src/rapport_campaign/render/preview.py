"""A template as one person would get it, with what had better be another way before it goes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from rapport_campaign.domain.model import State
from rapport_campaign.domain.templates import Said, Variable
from rapport_campaign.render.addresses import is_refused
from rapport_campaign.render.amp import fits
from rapport_campaign.render.compose import person_variables
from rapport_campaign.render.headers import UNSEEN, clean_subject, one_line
from rapport_campaign.render.scan import decoded, pieces
from rapport_campaign.render.templates import MAX_COMPILED, rendered
from rapport_campaign.render.words import as_text

CLIPPED_AT = 102 * 1024
"""Bytes of a page that Gmail shows; the rest is behind a link."""
_MOST = 100
_BARE_ALT = re.compile(r"<img\b[^>]*\salt[\s/>]", re.IGNORECASE)

Code = Literal[
    "missing",
    "insecure_link",
    "refused_link",
    "too_large",
    "no_alt",
    "empty_subject",
    "invisible_in_subject",
    "no_answer",
]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A template to be shown as somebody would get it; `data` is laid over their traits."""

    said: Said
    address: str
    state: State | None
    variables: list[Variable] = []
    data: dict[str, Any] = {}
    more: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Warned:
    """Something to look at: what, in which part, and in words."""

    code: Code
    part: str
    message: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to see; `size` of the page in bytes, without tracked links."""

    subject: str
    preheader: str
    html: str
    text: str
    size: int
    warnings: list[Warned] = field(default_factory=list)
    amp: str | None = None


def seen(view: View) -> Sight:
    """A template as somebody would get it; TemplateError where it and the data don't fit."""
    variables = person_variables(view.state, view.address) | view.more
    variables["profile"]["traits"] |= view.data
    said = view.said
    page = rendered(said.html, variables, html=True, most=MAX_COMPILED)
    text = (
        rendered(said.text, variables, html=False, most=MAX_COMPILED)
        if said.text
        else as_text(page)
    )
    subject = rendered(said.subject, variables, html=False, most=MAX_COMPILED)
    preheader = rendered(said.preheader, variables, html=False, most=MAX_COMPILED)
    size = len(page.encode("utf-8", "replace"))
    warnings = [
        *_missing(view.variables, variables),
        *_of_subject(subject),
        *_of_page(page),
        *([_clipped(size)] if size > CLIPPED_AT else []),
    ]
    amp = rendered(said.amp, variables, html=True, most=MAX_COMPILED) if said.amp else None
    if amp is not None and not fits(amp):
        message = "the AMP part is larger than 200 KB: it is left out"
        warnings.insert(0, Warned("too_large", "amp", message))
    shown = clean_subject(subject)
    return Sight(shown, one_line(preheader), page, text, size, warnings[:_MOST], amp)


def lacks(path: tuple[str, ...], variables: Mapping[str, Any]) -> bool:
    """Whether nothing would be printed for a variable."""
    found: Any = variables
    for name in path:
        if isinstance(found, list | str) and name in {"size", "first", "last"}:
            return not found
        found = found.get(name) if isinstance(found, Mapping) else None
    return found is None or found in ("", [], {})


def _missing(named: list[Variable], variables: Mapping[str, Any]) -> Iterator[Warned]:
    for one in named:
        if one.bare and one.path[0] == "profile" and lacks(one.path, variables):
            message = f"{one.name} is missing: give it a default, or ask for it with an if"
            yield Warned("missing", "", message)


def _of_subject(subject: str) -> Iterator[Warned]:
    if not one_line(UNSEEN.sub("", subject)):
        yield Warned("empty_subject", "subject", "there is no subject")
    if UNSEEN.search(subject):
        message = (
            "there are characters that nobody sees or that turn words round: they are left out"
        )
        yield Warned("invisible_in_subject", "subject", message)


def _of_page(page: str) -> Iterator[Warned]:
    for one in pieces(page):
        if one.kind != "start":
            continue
        href = one.values.get("href") if one.name in {"a", "area"} else None
        if href is not None:
            yield from _of_link(decoded(page, href).strip())
        source = one.values.get("src") if one.name == "img" else None
        if one.name == "img" and "alt" not in one.values and not _has_bare_alt(page, one.start):
            shown = decoded(page, source)[:200] if source else "an image"
            yield Warned("no_alt", "html", f'{shown} has no alt text: write one, or alt=""')


def _has_bare_alt(page: str, start: int) -> bool:
    return _BARE_ALT.match(page, start) is not None


def _of_link(address: str) -> Iterator[Warned]:
    if is_refused(address):
        yield Warned("refused_link", "html", f"{address[:200]} leads nowhere: it is refused")
    elif address.lower().startswith("http:"):
        yield Warned("insecure_link", "html", f"{address[:200]} is not https")


def _clipped(size: int) -> Warned:
    message = f"the page has {size // 1024} KB: Gmail cuts it off at {CLIPPED_AT // 1024} KB"
    return Warned("too_large", "html", message)
