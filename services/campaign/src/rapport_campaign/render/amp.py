"""AMP parts of mails: what can be seen of its rules (amp.dev, "AMP for Email") without downloads.

A mail program that finds a fault shows the HTML part in its place, and nobody is told: so what is
wrong is told when it is saved. Not looked at: what each component's attributes may be, layouts, the
list of allowed CSS properties, and whether what a part asks over the network answers as AMP wants.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from rapport_campaign.render.hiding import Hidden, hidden
from rapport_campaign.render.scan import Piece, decoded, pieces
from rapport_campaign.render.templates import Problem

MAX_BYTES = 200_000
"""Of a part, as it is sent (200 KB)."""
MAX_CSS = 75_000
_RUNTIME = "https://cdn.ampproject.org/v0.js"
_BOILERPLATE = "body{visibility:hidden}"
_COMPONENT = re.compile(r"https://cdn\.ampproject\.org/v0/(amp-[a-z-]+)-(?:\d+\.\d+|latest)\.js")
_COMPONENTS = frozenset(
    {
        *("amp-accordion", "amp-anim", "amp-autocomplete", "amp-bind", "amp-carousel"),
        *("amp-fit-text", "amp-form", "amp-image-lightbox", "amp-lightbox", "amp-list"),
        *("amp-mustache", "amp-selector", "amp-sidebar", "amp-timeago"),
    }
)
_BUILT_IN = frozenset({"amp-img", "amp-layout", "amp-state"})
_TAGS = {
    **dict.fromkeys(("img", "picture", "source"), "amp-img"),
    **dict.fromkeys(("video", "audio", "track"), "a picture with a link"),
    **dict.fromkeys(("iframe", "frame", "frameset", "embed", "object", "applet", "param"), ""),
    **dict.fromkeys(("base", "link", "svg", "math", "canvas", "dialog", "portal"), ""),
}
_INPUTS = frozenset({"button", "file", "image", "password"})
_ROOT = re.compile(r"<html(?=[\s>])([^>]*)>", re.IGNORECASE)
_MARK = re.compile(r"(?:^|\s)(?:⚡4email|amp4email)(?:\s|=|$)")
_DOCTYPE = re.compile(r"\s*<!doctype\s+html\s*>", re.IGNORECASE)
_CSS = {
    "!important": "!important",
    "@import": "@import",
    "expression(": "expression()",
    "behavior:": "behavior",
    "-moz-binding": "-moz-binding",
    ".i-amphtml-": "names that begin with i-amphtml-",
}
_LINKS = {"href": ("http", "https", "mailto", "tel"), "src": ("https",), "action-xhr": ("https",)}
_IN_SCRIPT = (
    "a script can't show what is of a person: it is escaped for HTML, and no JSON then. Show it in "
    "the text or an attribute"
)
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):")


def amp_problems(source: str) -> list[Problem]:
    """What is wrong with an AMP part, as its author has written it."""
    page = hidden(source)
    tags = [one for one in pieces(page.text) if one.kind != "text"]
    found = [*_frame(page, tags)]
    inside = ""
    for one in tags:
        found += _of_tag(page, one)
        raw = page.text[one.start : one.end] if one.kind == "raw" else ""
        if raw and inside == "style":
            found += _of_css(page, raw, one.start)
        elif raw and inside == "script" and _puts_out(page, raw):
            found.append(Problem(_IN_SCRIPT, page.line(one.start)))
        inside = one.name if one.kind == "start" and one.name in {"style", "script"} else ""
    size = len(source.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        found.append(Problem(f"it has {size} bytes: an AMP part has at most {MAX_BYTES}"))
    return found[:50]


def _puts_out(page: Hidden, raw: str) -> bool:
    return any(page.pieces[int(one)].startswith("{{") for one in page.word.findall(raw))


def fits(part: str) -> bool:
    """Whether a part, as it is sent, is not too large."""
    return len(part.encode("utf-8", "replace")) <= MAX_BYTES


def _frame(page: Hidden, tags: list[Piece]) -> Iterator[Problem]:
    """What has to be there."""
    if _DOCTYPE.match(page.text) is None:
        yield Problem("it must begin with <!doctype html>", 1)
    root = _ROOT.search(page.text)
    if root is None or _MARK.search(root[1]) is None:
        yield Problem("its <html> must be <html ⚡4email> or <html amp4email>", 1)
    there = {one.name for one in tags if one.kind == "start"}
    for name in ("head", "body"):
        if name not in there:
            yield Problem(f"it must have a <{name}>")
    starts = [one for one in tags if one.kind == "start"]
    if not any(one.name == "meta" and _is(page, one, "charset", "utf-8") for one in starts):
        yield Problem('it must have <meta charset="utf-8"> in its <head>')
    yield from _head(page, tags, starts)
    yield from _components(page, starts)


def _head(page: Hidden, tags: list[Piece], starts: list[Piece]) -> Iterator[Problem]:
    """Runtime, boilerplate and style."""
    runtimes = [one for one in starts if one.name == "script" and _is(page, one, "src", _RUNTIME)]
    if len(runtimes) != 1:
        yield Problem(f'it must have <script async src="{_RUNTIME}"></script> once')
    if not any(_is_boilerplate(page, one, after) for one, after in pairwise(tags)):
        yield Problem(f"it must have <style amp4email-boilerplate>{_BOILERPLATE}</style>")
    custom = [one for one in starts if one.name == "style" and _has(page, one, "amp-custom")]
    if len(custom) > 1:
        yield Problem("it may have one <style amp-custom>", page.line(custom[1].start))


def _components(page: Hidden, starts: list[Piece]) -> Iterator[Problem]:
    """What is used without its script."""
    asked = {_component(page, one) for one in starts if one.name == "script"}
    used = {one.name: one for one in starts if one.name in _COMPONENTS - {"amp-mustache"}}
    if any(one.name == "form" for one in starts):
        used.setdefault("amp-form", next(one for one in starts if one.name == "form"))
    for name, one in used.items():
        if name not in asked:
            message = f'{name} needs <script async custom-element="{name}" src="…"></script>'
            yield Problem(message, page.line(one.start))


def _of_tag(page: Hidden, one: Piece) -> Iterator[Problem]:
    """What is wrong with a tag by itself."""
    if one.kind != "start":
        return
    line = page.line(one.start)
    if one.name == "script":
        yield from _of_script(page, one, line)
        return
    wrong = _wrong(page, one)
    if wrong is not None:
        yield Problem(wrong, line)
    for name, value in one.values.items():
        if re.fullmatch(r"on[a-z]+", name):
            yield Problem(f"{name} can't be there: use `on` with an action of AMP", line)
        elif name == "style":
            yield from _of_css(page, decoded(page.text, value), one.start)
        elif name in _LINKS:
            scheme = _SCHEME.match(decoded(page.text, value))
            if scheme is not None and scheme[1].lower() not in _LINKS[name]:
                message = f"{name} can't be of {scheme[1]}: {', '.join(_LINKS[name])}"
                yield Problem(message, line)


def _wrong(page: Hidden, one: Piece) -> str | None:
    """Why a tag can't be there."""
    if one.name in _TAGS:
        instead = _TAGS[one.name]
        return f"<{one.name}> can't be there{instead and f': use {instead}'}"
    if one.name.startswith("amp-") and one.name not in _COMPONENTS | _BUILT_IN:
        return f"<{one.name}> is no component of AMP for Email"
    styles = ("amp-custom", "amp4email-boilerplate")
    if one.name == "style" and not any(_has(page, one, name) for name in styles):
        return "a <style> is <style amp-custom>"
    if one.name == "form" and "action" in one.values:
        return "a form has action-xhr, and no action"
    kind = _value(page, one, "type").lower() if one.name == "input" else ""
    return f"an input can't be of the type {kind}" if kind in _INPUTS else None


def _of_script(page: Hidden, one: Piece, line: int) -> Iterator[Problem]:
    source = _value(page, one, "src")
    kind = _value(page, one, "type").lower()
    if not source:
        if kind not in {"application/json", "text/plain"}:
            yield Problem("a script of one's own can't be there", line)
        return
    if not _has(page, one, "async"):
        yield Problem("a script is async", line)
    if source == _RUNTIME:
        return
    name = _component(page, one)
    told = _value(page, one, "custom-element") or _value(page, one, "custom-template")
    if name not in _COMPONENTS or name != told:
        message = "a script is the runtime of AMP or a component of AMP for Email, by its name"
        yield Problem(message, line)


def _of_css(page: Hidden, css: str, at: int) -> Iterator[Problem]:
    line = page.line(at)
    small = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL).lower()
    plain = re.sub(r"\s+", "", small)
    for sign, told in _CSS.items():
        if sign in plain:
            yield Problem(f"CSS can't have {told}", line)
    if re.search(r"position:(?:fixed|sticky)", plain):
        yield Problem("CSS can't have the positions fixed and sticky", line)
    if len(css.encode("utf-8", "replace")) > MAX_CSS:
        yield Problem(f"CSS has at most {MAX_CSS} bytes", line)


def _is_boilerplate(page: Hidden, one: Piece, after: Piece) -> bool:
    is_style = one.kind == "start" and one.name == "style" and after.kind == "raw"
    text = re.sub(r"\s+", "", page.text[after.start : after.end])
    return is_style and _has(page, one, "amp4email-boilerplate") and text == _BOILERPLATE


def _component(page: Hidden, one: Piece) -> str | None:
    found = _COMPONENT.fullmatch(_value(page, one, "src"))
    return found[1] if found else None


def _has(page: Hidden, one: Piece, name: str) -> bool:
    """Whether a tag has an attribute, with a value or without."""
    tag = page.text[one.start : one.end]
    return re.search(rf"\s{re.escape(name)}(?=[\s=/>])", tag, re.IGNORECASE) is not None


def _value(page: Hidden, one: Piece, name: str) -> str:
    value = one.values.get(name)
    return decoded(page.text, value).strip() if value is not None else ""


def _is(page: Hidden, one: Piece, name: str, wanted: str) -> bool:
    return _value(page, one, name).lower() == wanted
