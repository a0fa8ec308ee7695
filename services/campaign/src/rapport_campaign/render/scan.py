"""Where the tags of a page are: their places, so that a page can be changed and stay as it is.

Parsers of HTML give a tree and no places, and a tree that is written out again is another page.
This reads what the HTML standard's tokenizer reads (13.2.5), each character once: tags, comments
and raw text. What an attribute's text means is left to a parser.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

_NAME = re.compile(r"[a-zA-Z][^\t\n\f\r />]*+")
_BETWEEN = re.compile(r"[\t\n\f\r /]*+")
_ATTRIBUTE = re.compile(r"=?[^\t\n\f\r />=]*+")
_EQUALS = re.compile(r"[\t\n\f\r ]*+=[\t\n\f\r ]*+")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]++")
# Most tags of a mail are of this kind: one look in place of five.
_PLAIN = re.compile(r"<(/?)([a-zA-Z][^\t\n\f\r />]*+)[\t\n\f\r ]*+>")
_COMMENT_END = re.compile(r"--!?>")
RAW = ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
"""Tags in which there are no tags."""
_RAW_ENDS = {name: re.compile(f"</{name}(?=[\\t\\n\\f\\r />])", re.IGNORECASE) for name in RAW}

VOID = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img"),
        *("input", "link", "meta", "source", "track", "wbr"),
    )
)
"""Tags that nothing is in, and that no other closes."""

_NONE: Mapping[str, "Value"] = MappingProxyType({})


class Value(NamedTuple):
    """An attribute's value: the span in the page, quotes included, and how it is quoted."""

    start: int
    end: int
    quote: Literal['"', "'", ""]


class Piece(NamedTuple):
    """A part of a page from `start` to `end`: `text`, `raw` (no tags inside), a tag or a comment.

    `values` are a start tag's attributes with a value, by name in lower case: the first of each.
    """

    kind: Literal["text", "raw", "start", "end", "comment"]
    start: int
    end: int
    name: str = ""
    values: Mapping[str, Value] = _NONE


def pieces(page: str) -> Iterator[Piece]:
    """The page in order; the part after a tag or comment that never ends is one `comment`."""
    at = text_from = 0
    while (start := page.find("<", at)) >= 0:
        found = markup(page, start)
        if found is None:
            at = start + 1
            continue
        if start > text_from:
            yield Piece("text", text_from, start)
        yield found
        at = text_from = found.end
        if found.kind == "start" and found.name in _RAW_ENDS:
            close = _RAW_ENDS[found.name].search(page, at)
            at = text_from = close.start() if close else len(page)
            yield Piece("raw", found.end, at, found.name)
    if text_from < len(page):
        yield Piece("text", text_from, len(page))


def decoded(page: str, value: Value) -> str:
    """What an attribute's value means (character references as the standard has them there)."""
    raw = page[value.start : value.end]
    return _decoded(raw) if "&" in raw or "\0" in raw else raw.strip(value.quote)


@lru_cache(maxsize=4096)
def _decoded(raw: str) -> str:
    # Only where a page is read: who hands mails over is smaller without.
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415

    found = LexborHTMLParser(f"<a href={raw}>").css_first("a")
    said = found.attributes.get("href") if found is not None else None
    return said or ""


def markup(page: str, start: int) -> Piece | None:
    """The tag or comment that begins at a "<"; None where it is only a character."""
    plain = _PLAIN.match(page, start)
    if plain is not None:
        return Piece("end" if plain[1] else "start", start, plain.end(), plain[2].lower())
    after = page[start + 1 : start + 3]
    if after[:1].isascii() and after[:1].isalpha():
        return _tag(page, start, start + 1, "start")
    if after[:1] == "/" and after[1:].isascii() and after[1:].isalpha():
        return _tag(page, start, start + 2, "end")
    if after[:1] in {"!", "?", "/"} and after[:1]:
        return Piece("comment", start, _comment_end(page, start))
    return None


def _comment_end(page: str, start: int) -> int:
    if not page.startswith("<!--", start):
        end = page.find(">", start)
        return len(page) if end < 0 else end + 1
    for short in ("<!-->", "<!--->"):
        if page.startswith(short, start):
            return start + len(short)
    found = _COMMENT_END.search(page, start + 4)
    return found.end() if found else len(page)


def _tag(page: str, start: int, at: int, kind: Literal["start", "end"]) -> Piece:
    name = _NAME.match(page, at)
    at = name.end() if name else at
    values: dict[str, Value] = {}
    while True:
        at = _skip(_BETWEEN, page, at)
        if at >= len(page):
            # The standard drops a tag that never ends, and with it the rest of the page.
            return Piece("comment", start, len(page))
        if page[at] == ">":
            return Piece(kind, start, at + 1, name.group().lower() if name else "", values)
        at = _attribute(page, at, values)


def _attribute(page: str, at: int, values: dict[str, Value]) -> int:
    end = _skip(_ATTRIBUTE, page, at)
    name = page[at:end].lower()
    equals = _EQUALS.match(page, end)
    if equals is None:
        return end
    at = equals.end()
    quote = page[at : at + 1]
    if quote in {'"', "'"} and quote:
        close = page.find(quote, at + 1)
        if close < 0:
            return len(page)
        values.setdefault(name, Value(at, close + 1, '"' if quote == '"' else "'"))
        return close + 1
    end = _skip(_UNQUOTED, page, at)
    if end > at:
        values.setdefault(name, Value(at, end, ""))
    return end


def _skip(pattern: re.Pattern[str], page: str, at: int) -> int:
    found = pattern.match(page, at)
    return found.end() if found else at
