"""Changes to a rendered page: tracked links, the open pixel, a way out, and a text version."""

import html
import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

# Possessive, and never past the next "<": a page full of unclosed tags is read once.
_ANCHOR = re.compile(r"""<a\s(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>""", re.IGNORECASE)
_HREF = re.compile(r"""(\shref\s*+=\s*+)(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE)
_TAG = re.compile(r"""<(/?)([a-z][a-z0-9]*+)(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>""", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*+>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")
MAX_URL = 2048
# Everything RFC 3986 allows in a URL; the rest is percent-encoded.
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"

_BLOCKS = {"p", "div", "br", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}
_SILENT = ("head", "style", "script", "title")
_SILENCE_ENDS = {name: re.compile(f"</{name}[^<>]*+>", re.IGNORECASE) for name in _SILENT}


def with_links(page: str, track: Callable[[str], str]) -> str:
    """The page with each web link replaced by what `track` gives for its address.

    Other schemes, anchors and what is not a usable address stay as they are.
    """

    def anchor(found: re.Match[str]) -> str:
        return _HREF.sub(link, found.group(0), count=1)

    def link(found: re.Match[str]) -> str:
        quoted = next(one for one in found.groups()[1:] if one is not None)
        target = web_address(html.unescape(quoted))
        if target is None:
            return found.group(0)
        return f'{found.group(1)}"{html.escape(track(target))}"'

    return _ANCHOR.sub(anchor, page)


def web_address(text: str) -> str | None:
    """An http or https address in ASCII that is safe in a Location header, or None."""
    address = quote(text.strip(), safe=_URL_SAFE)
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


def as_text(page: str) -> str:
    """A page's words, with the addresses of its links, for clients that show no HTML."""
    words = _Words()
    at = 0
    while (start := page.find("<", at)) >= 0:
        words.say(page[at:start])
        at = _after_markup(page, start, words)
    words.say(page[at:])
    lines = [" ".join(line.split()) for line in "".join(words.found).split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


def _before_end(page: str, piece: str) -> str:
    end = None
    for found in _BODY_END.finditer(page):
        end = found
    return page + piece if end is None else page[: end.start()] + piece + page[end.start() :]


def _after_markup(page: str, start: int, words: "_Words") -> int:
    """Where the text goes on after the markup that begins at `start`.

    The standard library's parser takes 20 s for 40 KB of unclosed tags; here every character is
    looked at a few times at most, whatever the page.
    """
    if page.startswith("<!--", start):
        end = page.find("-->", start + 4)
        return len(page) if end < 0 else end + 3
    found = _TAG.match(page, start)
    if found is None:
        words.say("<")
        return start + 1
    closing, name = bool(found.group(1)), found.group(2).lower()
    if name in _SILENT and not closing:
        silence = _SILENCE_ENDS[name].search(page, found.end())
        return len(page) if silence is None else silence.end()
    words.tag(name, found.group(0), closing=closing)
    return found.end()


class _Words:
    """Collects visible text; newlines stand for blocks."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._link: str | None = None

    def say(self, text: str) -> None:
        """Text as it stands in the page: its line breaks mean nothing, its entities do."""
        if text:
            self.found.append(html.unescape(text.replace("\n", " ").replace("\r", " ")))

    def tag(self, name: str, source: str, *, closing: bool) -> None:
        """A tag that is not text but has a say in how the text is set."""
        if name == "a":
            self._anchor(source, closing=closing)
        elif name == "li" and not closing:
            self.found.append("\n- ")
        elif name in _BLOCKS:
            self.found.append("\n\n" if closing and name == "p" else "\n")

    def _anchor(self, source: str, *, closing: bool) -> None:
        if not closing:
            href = _HREF.search(source)
            quoted = next((one for one in href.groups()[1:] if one), "") if href else ""
            self._link = web_address(html.unescape(quoted))
        elif self._link:
            self.found.append(f" <{self._link}>")
            self._link = None
