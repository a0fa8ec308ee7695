"""The text part of a mail whose author has written none: what the page says, without its looks.

Links have their addresses, pictures their alternative texts, lists their marks, and the cells of a
table that has data stand beside each other; those of a table that is only a layout, below. What
nobody sees on the page nobody reads here.

What a tag has to do with it is read once (`Tag`), and kept with the text of the template that it
stands in; a mail goes through tags and texts, and reads no page.
"""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rapport_campaign.render.scan import VOID, Piece, decoded

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
_TABLES = frozenset({"table", "th"})


@dataclass(slots=True)
class Tag:
    """What a tag or comment has to do with the text part.

    `is_linked`: it is one of the page's links. `alt`: the words of a picture. `said`: what stands
    between it and the next tag, where that is known to be all of it.
    """

    name: str = ""
    kind: str = "comment"
    acts: "Callable[[_Lines, Tag], None] | None" = None
    is_hidden: bool = False
    is_linked: bool = False
    has_border: bool = False
    alt: str = ""
    said: str = ""


Word = str | Tag
"""A text as it stands in the page, which may go on in the next one; or a tag."""
Address = Callable[[int], str | None]
"""Where a link of the page leads, by its number, as people read it."""


@dataclass(slots=True)
class Words:
    """The words of a part of a page, in their order."""

    some: list[Word] = field(default_factory=list)
    has_tables: bool = False

    def note(self, text: str, piece: Piece, *, is_linked: bool) -> None:
        """What a piece of a text says."""
        if piece.kind == "text":
            self.some.append(text[piece.start : piece.end])
            return
        tag = _tag(text, piece, is_linked=is_linked)
        self.has_tables = self.has_tables or tag.name in _TABLES
        match self.some[-2:]:
            case [Tag(said="") as before, str(said)]:
                before.said = html.unescape(said)
                self.some[-1] = tag
            case _:
                self.some.append(tag)

    def add(self, other: "Words") -> None:
        """The part that follows."""
        self.some += other.some
        self.has_tables = self.has_tables or other.has_tables


def told(words: Words, address: Address) -> str:
    """The text part."""
    lines = _Lines(address, _with_data(words.some) if words.has_tables else set())
    for word in words.some:
        if isinstance(word, str):
            lines.say(word)
        else:
            lines.tag(word)
    return lines.told()


def _tag(text: str, piece: Piece, *, is_linked: bool) -> Tag:
    name, values = piece.name, piece.values
    tag = Tag(name, piece.kind, is_linked=is_linked)
    if piece.kind == "raw":
        # A script or the like: with its tag, or only what is in it.
        tag.kind = "start" if values else "comment"
    else:
        tag.acts = _ACTS.get(name)
    if tag.kind != "start" or not values:
        return tag
    style, border, alt = values.get("style"), values.get("border"), values.get("alt")
    tag.is_hidden = bool(style and _INVISIBLE.search(text, style.start, style.end))
    if border is not None:
        tag.has_border = text[border.start : border.end].strip("\"'") not in {"", "0"}
    if alt is not None and name == "img":
        tag.alt = " ".join(decoded(text, alt).split())
    return tag


def _with_data(words: Sequence[Word]) -> set[int]:
    """Which tables, by their number, have cells that stand beside each other: those with headings,
    and those that have a border. All others are how mails are laid out.
    """
    above: list[int] = []
    told: set[int] = set()
    number = 0
    for tag in words:
        if isinstance(tag, str) or tag.name not in _TABLES:
            continue
        if tag.name == "th":
            if tag.kind == "start" and above:
                told.add(above[-1])
        elif tag.kind == "start":
            above.append(number)
            if tag.has_border:
                told.add(number)
            number += 1
        elif tag.kind == "end" and above:
            above.pop()
    return told


class _Lines:
    """Collects visible text, a line after the other."""

    __slots__ = (
        *("_address", "_amp", "_in_head", "_line", "_lines", "_link", "_links", "_lists"),
        *("_mark", "_run", "_seen_tables", "_tables", "_unseen", "_with_data"),
    )

    def __init__(self, address: Address, with_data: set[int]) -> None:
        self._address = address
        self._with_data = with_data
        self._lines: list[str] = []
        self._line: list[str] = []
        self._mark = ""
        # Where the text since the last tag begins in the line, and whether it may have references.
        self._run = 0
        self._amp = False
        # A number for each list around: how many items an ordered one has had, None for others.
        self._lists: list[int | None] = []
        self._tables: list[bool] = []
        self._seen_tables = self._links = 0
        # The tag that nobody sees, and how many of its name are open.
        self._unseen: tuple[str, int] | None = None
        self._in_head = False
        self._link: tuple[str, int] | None = None

    def say(self, text: str) -> None:
        """Text as it stands in the page: its line breaks mean nothing."""
        if self._unseen is None and not self._in_head:
            self._line.append(text)
            if "&" in text:
                self._amp = True

    def tag(self, tag: Tag) -> None:
        """A tag, and what is said behind it."""
        if self._amp:
            # A reference may have come in several texts.
            run = self._line[self._run :]
            self._line[self._run :] = [html.unescape("".join(run))]
            self._amp = False
        if tag.is_linked:
            self._links += 1
        if tag.name == "table" and tag.kind == "start":
            self._seen_tables += 1
        if tag.name == "head":
            self._in_head = tag.kind == "start"
        elif tag.name == "body":
            self._in_head = False
        if not self._is_unseen(tag) and not self._in_head and tag.acts is not None:
            tag.acts(self, tag)
        if tag.said and self._unseen is None and not self._in_head:
            self._line.append(tag.said)
        self._run = len(self._line)

    def told(self) -> str:
        """All of it."""
        self.tag(Tag())
        self._end()
        return _BLANK_LINES.sub("\n\n", "\n".join(self._lines)).strip("\n") + "\n"

    def _is_unseen(self, tag: Tag) -> bool:
        """Whether a tag is in what is not shown, such as a preview text."""
        if self._unseen is not None:
            name, depth = self._unseen
            if tag.name == name and tag.kind in {"start", "end"}:
                depth += 1 if tag.kind == "start" else -1
                self._unseen = (name, depth) if depth else None
            return True
        if tag.is_hidden and tag.name not in VOID:
            self._unseen = (tag.name, 1)
        return tag.is_hidden

    def anchor(self, tag: Tag) -> None:
        """A link: behind what it says stands where it leads, if that is not what it says."""
        if tag.kind == "start":
            address = self._address(self._links - 1) if tag.is_linked else None
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

    def picture(self, tag: Tag) -> None:
        """What is said in place of it."""
        if tag.alt:
            self._line.append(f"[{tag.alt}]")

    def item(self, tag: Tag) -> None:
        """One of a list."""
        if tag.kind == "end":
            return
        self._end()
        mark = "- "
        if self._lists and (number := self._lists[-1]) is not None:
            self._lists[-1] = number + 1
            mark = f"{number + 1}. "
        self._mark = "  " * min(max(len(self._lists) - 1, 0), _MOST_INDENT) + mark

    def cell(self, tag: Tag) -> None:
        """Of a table with data it stands beside the one before, else below."""
        if not self._tables or not self._tables[-1]:
            self._end()
        elif tag.kind == "start" and "".join(self._line).strip():
            self._line.append(_CELL)

    def line_break(self, _: Tag) -> None:
        """What comes is in the next line."""
        self._end()

    def rule(self, _: Tag) -> None:
        """A line across the page."""
        self._apart()
        self._lines += ["----", ""]

    def apart(self, _: Tag) -> None:
        """A paragraph or the like."""
        self._apart()

    def heading(self, tag: Tag) -> None:
        """One of the two largest: a line stands below it."""
        self._end()
        if tag.kind == "end" and self._lines and self._lines[-1]:
            self._lines.append(_LINED[tag.name] * min(len(self._lines[-1]), _WIDEST_LINE))
        self._apart()

    def list(self, tag: Tag) -> None:
        """A list; one in another one is not apart from it."""
        self._end()
        if not (self._lists[1:] if tag.kind == "end" else self._lists):
            self._apart()
        if tag.kind == "start":
            self._lists.append(0 if tag.name == "ol" else None)
        elif self._lists:
            self._lists.pop()

    def table(self, tag: Tag) -> None:
        """A table, which has data or is only a layout."""
        self._apart()
        if tag.kind == "start":
            self._tables.append(self._seen_tables - 1 in self._with_data)
        elif self._tables:
            self._tables.pop()

    def _end(self) -> None:
        """The line is over, if there is one."""
        if self._line:
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


_ACTS: dict[str, Callable[[_Lines, Tag], None]] = {
    **dict.fromkeys(_BLOCKS, _Lines.line_break),
    **dict.fromkeys(_APART, _Lines.apart),
    **dict.fromkeys(_LINED, _Lines.heading),
    **dict.fromkeys(_LISTS, _Lines.list),
    **dict.fromkeys(_CELLS, _Lines.cell),
    "a": _Lines.anchor,
    "img": _Lines.picture,
    "li": _Lines.item,
    "br": _Lines.line_break,
    "hr": _Lines.rule,
    "table": _Lines.table,
}
"""What tags do to the lines; all others have no say in how text is set."""
