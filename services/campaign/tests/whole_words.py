"""The text part as it was made before `lines`: all of the page is read for each mail.

Slow, simple, and what the quick way is held against.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rapport_campaign.render.addresses import web_address
from rapport_campaign.render.scan import VOID, Piece, decoded, pieces

_BLANK_LINES = re.compile(r"\n{3,}")
_INVISIBLE = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_MOST_INDENT = 8
_WIDEST_LINE = 60
_CELL = " | "

_BLOCKS = frozenset(
    ["address", "article", "blockquote", "div", "footer", "form", "header", "main", "section", "tr"]
)
_APART = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl"])
_LINED = {"h1": "=", "h2": "-"}
_CELLS = frozenset({"td", "th"})
_LISTS = frozenset({"ul", "ol"})


def as_text(page: str) -> str:
    """A page's words, with the addresses of its links, for clients that show no HTML."""
    found = list(pieces(page))
    words = _Words(page, _with_data(page, found))
    in_head = False
    for piece in found:
        if piece.name == "head":
            in_head = piece.kind == "start"
        elif piece.name == "body":
            in_head = False
        if words.is_unseen(piece) or in_head:
            continue
        if piece.kind == "text":
            words.say(html.unescape(page[piece.start : piece.end]))
        elif piece.kind in {"start", "end"}:
            words.tag(piece)
    return words.told()


def _with_data(page: str, found: Sequence[Piece]) -> set[int]:
    """Where the tables begin whose cells stand beside each other: those with headings, and those
    that have a border. All others are how mails are laid out.
    """
    above: list[int] = []
    told: set[int] = set()
    for one in found:
        if one.name == "table" and one.kind == "start":
            above.append(one.start)
            border = one.values.get("border")
            if border is not None and page[border.start : border.end].strip("\"'") not in {"", "0"}:
                told.add(one.start)
        elif one.name == "table" and one.kind == "end" and above:
            above.pop()
        elif one.name == "th" and one.kind == "start" and above:
            told.add(above[-1])
    return told


@dataclass
class _Words:
    """Collects visible text, a line after the other."""

    page: str
    with_data: set[int]
    _lines: list[str] = field(default_factory=list)
    _line: list[str] = field(default_factory=list)
    _mark: str = ""
    # A number for each list around: how many items an ordered one has had, None for others.
    _lists: list[int | None] = field(default_factory=list)
    _tables: list[bool] = field(default_factory=list)
    # The tag that nobody sees, and how many of its name are open.
    _unseen: tuple[str, int] | None = None
    _link: tuple[str, int] | None = None

    def is_unseen(self, piece: Piece) -> bool:
        """Whether a piece is in what is not shown, such as a preview text."""
        if self._unseen is not None:
            name, depth = self._unseen
            if piece.name == name and piece.kind in {"start", "end"}:
                depth += 1 if piece.kind == "start" else -1
                self._unseen = (name, depth) if depth else None
            return True
        if piece.kind != "start" or (style := piece.values.get("style")) is None:
            return False
        if not _INVISIBLE.search(self.page, style.start, style.end):
            return False
        if piece.name not in VOID:
            self._unseen = (piece.name, 1)
        return True

    def say(self, text: str) -> None:
        """Text as it stands in the page: its line breaks mean nothing."""
        self._line.append(text)

    def tag(self, piece: Piece) -> None:
        """A tag that is not text but has a say in how the text is set."""
        name, closing = piece.name, piece.kind == "end"
        if name == "a":
            self._anchor(piece, closing=closing)
        elif name == "img":
            self._picture(piece)
        elif name == "li" and not closing:
            self._item()
        elif name in _CELLS:
            self._cell(closing=closing)
        elif name == "br":
            self._end()
        elif name == "hr":
            self._apart()
            self._lines += ["----", ""]
        elif name in _BLOCKS or name in _APART:
            self._block(piece, closing=closing)

    def told(self) -> str:
        """All of it."""
        self._end()
        return _BLANK_LINES.sub("\n\n", "\n".join(self._lines)).strip("\n") + "\n"

    def _block(self, piece: Piece, *, closing: bool) -> None:
        name = piece.name
        self._end()
        if closing and name in _LINED and self._lines and self._lines[-1]:
            self._lines.append(_LINED[name] * min(len(self._lines[-1]), _WIDEST_LINE))
        if name in _APART and not (
            name in _LISTS and (self._lists[1:] if closing else self._lists)
        ):
            self._apart()
        if name in _LISTS:
            self._list(name, closing=closing)
        elif name == "table" and not closing:
            self._tables.append(piece.start in self.with_data)
        elif name == "table" and self._tables:
            self._tables.pop()

    def _list(self, name: str, *, closing: bool) -> None:
        if not closing:
            self._lists.append(0 if name == "ol" else None)
        elif self._lists:
            self._lists.pop()

    def _item(self) -> None:
        self._end()
        mark = "- "
        if self._lists and (number := self._lists[-1]) is not None:
            self._lists[-1] = number + 1
            mark = f"{number + 1}. "
        self._mark = "  " * min(max(len(self._lists) - 1, 0), _MOST_INDENT) + mark

    def _cell(self, *, closing: bool) -> None:
        if not self._tables or not self._tables[-1]:
            self._end()
        elif not closing and "".join(self._line).strip():
            self._line.append(_CELL)

    def _picture(self, piece: Piece) -> None:
        alt = piece.values.get("alt")
        words = " ".join(decoded(self.page, alt).split()) if alt else ""
        if words:
            self._line.append(f"[{words}]")

    def _anchor(self, piece: Piece, *, closing: bool) -> None:
        if not closing:
            href = piece.values.get("href")
            address = self._address(decoded(self.page, href)) if href else None
            self._link = (address, len(self._line)) if address else None
        elif self._link:
            address, since = self._link
            said = "".join(self._line[since:]).strip()
            bare = address.partition(":")[2].strip("/")
            if said and said.strip("/") in {address.strip("/"), bare}:
                self._line[since:] = [address]
            else:
                self._line.append(f" <{address}>")
            self._link = None

    @staticmethod
    def _address(target: str) -> str | None:
        if target.lower().startswith(("mailto:", "tel:")):
            return " ".join(target.partition(":")[2].partition("?")[0].split()) or None
        return web_address(target)

    def _end(self) -> None:
        """The line is over, if there is one."""
        words = " ".join("".join(self._line).split())
        if words:
            self._lines.append(self._mark + words)
            self._mark = ""
        self._line = []
        if self._link is not None:
            self._link = (self._link[0], 0)

    def _apart(self) -> None:
        """A blank line before what comes."""
        self._end()
        if self._lines and self._lines[-1]:
            self._lines.append("")
