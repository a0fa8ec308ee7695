"""Changes to a rendered page: tracked links, the open pixel, a way out, and a text version."""

import html
import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from rapport_campaign.render.scan import Piece, decoded, pieces

_LINKS = {"a", "area"}
_TABS_AND_LINE_ENDS = str.maketrans("", "", "\t\n\r")
_EDGE = "".join(map(chr, range(0x21)))
"""C0 controls and the space: they are no part of an address (URL standard, 4.4)."""
_BLANK_LINES = re.compile(r"\n{3,}")
MAX_URL = 2048
# Everything RFC 3986 allows in a URL; the rest is percent-encoded.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"

_BLOCKS = {"p", "div", "br", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}


def with_links(page: str, track: Callable[[str], str]) -> str:
    """The page with each web link replaced by what `track` gives for its address.

    Other schemes, anchors and what is not a usable address stay as they are, and so does every
    other character of the page.
    """
    parts: list[str] = []
    done = 0
    for piece in pieces(page):
        href = piece.values.get("href") if piece.name in _LINKS else None
        if href is None:
            continue
        target = web_address(decoded(page, href))
        if target is not None:
            parts += [page[done : href.start], f'"{html.escape(track(target))}"']
            done = href.end
    return "".join([*parts, page[done:]])


def web_address(text: str) -> str | None:
    """An http or https address in ASCII that is safe in a Location header, or None."""
    bare = text.strip(_EDGE).translate(_TABS_AND_LINE_ENDS)
    address = quote(bare, safe=_URL_SAFE, errors="replace")
    try:
        parts = urlsplit(address)
        known = parts.scheme.lower() in {"http", "https"} and parts.hostname
    except ValueError:
        return None
    return address if known and len(address) <= MAX_URL else None


def with_pixel(page: str, address: str) -> str:
    """The page with an invisible image whose loading means: opened."""
    image = f'<img src="{html.escape(address)}" width="1" height="1" alt="" style="border:0">'
    return _before_end(page, image)


def with_way_out(page: str, address: str) -> str:
    """The page with an unsubscribe line, for promotions that have forgotten it."""
    style = "font-size:12px;color:#666;margin-top:24px"
    line = f'<p style="{style}"><a href="{html.escape(address)}">Unsubscribe</a></p>'
    return _before_end(page, line)


def has_link(page: str, address: str) -> bool:
    """Whether a link of the page leads to an address."""
    return any(
        piece.name in _LINKS
        and (href := piece.values.get("href")) is not None
        and decoded(page, href).strip(_EDGE) == address
        for piece in pieces(page)
    )


def as_text(page: str) -> str:
    """A page's words, with the addresses of its links, for clients that show no HTML."""
    words = _Words(page)
    in_head = False
    for piece in pieces(page):
        if piece.name == "head":
            in_head = piece.kind == "start"
        elif piece.name == "body":
            in_head = False
        if piece.kind == "text" and not in_head:
            words.say(page[piece.start : piece.end])
        elif piece.kind in {"start", "end"}:
            words.tag(piece)
    lines = [" ".join(line.split()) for line in "".join(words.found).split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


def _before_end(page: str, piece: str) -> str:
    end = None
    for found in pieces(page):
        if found.kind == "end" and found.name == "body":
            end = found.start
        elif found.kind == "comment" and found.end == len(page):
            # What comes after a tag that never ends is shown to nobody.
            end = found.start if end is None else end
    return page + piece if end is None else page[:end] + piece + page[end:]


class _Words:
    """Collects visible text; newlines stand for blocks."""

    def __init__(self, page: str) -> None:
        self.found: list[str] = []
        self._page = page
        self._link: str | None = None

    def say(self, text: str) -> None:
        """Text as it stands in the page: its line breaks mean nothing, its entities do."""
        self.found.append(html.unescape(text.replace("\n", " ").replace("\r", " ")))

    def tag(self, piece: Piece) -> None:
        """A tag that is not text but has a say in how the text is set."""
        closing = piece.kind == "end"
        if piece.name == "a":
            self._anchor(piece, closing=closing)
        elif piece.name == "li" and not closing:
            self.found.append("\n- ")
        elif piece.name in _BLOCKS:
            self.found.append("\n\n" if closing and piece.name == "p" else "\n")

    def _anchor(self, piece: Piece, *, closing: bool) -> None:
        if not closing:
            href = piece.values.get("href")
            self._link = web_address(decoded(self._page, href)) if href else None
        elif self._link:
            self.found.append(f" <{self._link}>")
            self._link = None
