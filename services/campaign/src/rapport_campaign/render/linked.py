"""A rendered page and its links: what a template says is read once, and not in each mail anew.

A page comes in the pieces in which it was rendered: texts of the template, and values. Between two
tags the tokenizer (`scan`) finds the same in a text each time, up to a tag that does not end in it:
so that is kept by text. A value without "<" is nothing to it there. A tag that goes on beyond its
text is read together with what follows, until it ends; a page with too many of them is read whole.
What a value is never matters: whether it is markup is seen in the piece itself.
"""

import html
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from typing_extensions import override

from rapport_campaign.render.addresses import EDGE, is_refused, web_address
from rapport_campaign.render.lines import Tag, Words, told
from rapport_campaign.render.scan import RAW, Piece, Value, decoded, markup, pieces

_LINKS = {"a", "area"}
_MOST_TRIES = 32
"""Of finding the end of a tag: each reads it from its beginning."""
REFUSED = '"#"'
"""Where a link leads that would run something: a person's data may have brought it."""


class Href(NamedTuple):
    """An address as the page means it, and the web address that it is, if it is one."""

    said: str
    target: str | None
    is_refused: bool


@dataclass(slots=True)
class Found:
    """A part of a page in texts; `links` are those of them that are a link's address, in quotes.

    `end`: the text before which goes what belongs at the end of the page, None for none. `rest`:
    what is not closed, and belongs to what follows. `words` are for the text part, where the end
    is before `last_word`.
    """

    texts: list[str] = field(default_factory=list)
    links: list[tuple[int, Href]] = field(default_factory=list)
    end: int | None = None
    rest: str = ""
    words: Words = field(default_factory=Words)
    last_word: int = 0

    def note(self, text: str, piece: Piece, done: int) -> int:
        """What a piece of the text means; up to where the text is taken over."""
        href = piece.values.get("href") if piece.name in _LINKS else None
        self.words.note(text, piece, is_linked=href is not None)
        if piece.kind == "end" and piece.name == "body":
            self.texts.append(text[done : piece.start])
            self.end, self.last_word = len(self.texts), len(self.words.some) - 1
            return piece.start
        if href is None:
            return done
        self.texts += (text[done : href.start], text[href.start : href.end])
        self.links.append((len(self.texts) - 1, _href(text, href)))
        return href.end

    def add(self, other: "Found") -> None:
        """The part that follows."""
        base = len(self.texts)
        self.texts += other.texts
        self.links += [(base + at, href) for at, href in other.links]
        if other.end is not None:
            self.end, self.last_word = base + other.end, len(self.words.some) + other.last_word
        self.words.add(other.words)


Known = MutableMapping[str, Found]
"""What was found in the texts of a template."""


class Linked:
    """A page that is changed at its links and at its end, and stays as it is everywhere else."""

    def __init__(
        self,
        parts: Sequence[str],
        ours: frozenset[str] = frozenset(),
        known: Known | None = None,
    ) -> None:
        """`parts` in their order; what is found in those among `ours` is kept in `known`."""
        found = _read(parts, ours, {} if known is None else known)
        end, self._is_raw = _finish(found)
        self._texts = found.texts
        self._links: list[tuple[int, Href | None]] = [*found.links]
        self._words = found.words
        self._end, self._last_word = (
            (len(self._texts), len(self._words.some)) if end is None else (end, found.last_word)
        )

    def has_link(self, address: str) -> bool:
        """Whether a link leads to an address."""
        return any(self._href(one).said.strip(EDGE) == address for one in self._links)

    def replace(self, track: Callable[[str], str]) -> None:
        """Let each web link lead to what `track` gives for its address.

        Other schemes, anchors and what is not a usable address stay as they are.
        """
        for place, (at, _) in enumerate(self._links):
            href = self._href(self._links[place])
            if href.is_refused:
                # Their mail goes, and this leads nowhere.
                self._texts[at] = REFUSED
            elif href.target is not None:
                self._texts[at] = f'"{html.escape(track(href.target))}"'
            else:
                continue
            self._links[place] = (at, None)

    def append(self, tags: str) -> None:
        """Put whole tags before the end of the page, behind what was put there before.

        They have links, or they say nothing.
        """
        found = _found(tags) if "<a " in tags and not self._is_raw else _silent(tags)
        at, more = self._end, len(found.texts)
        self._texts[at:at] = found.texts
        self._links = [
            *(one for one in self._links if one[0] < at),
            *((at + place, href) for place, href in found.links),
            *((place + more, href) for place, href in self._links if place >= at),
        ]
        self._end = at + more
        more_words, at = found.words, self._last_word
        self._words = Words(self._words.some.copy(), self._words.has_tables)
        self._words.some[at:at] = more_words.some
        self._last_word = at + len(more_words.some)

    def as_text(self) -> str:
        """What the page says as it is now, for clients that show no HTML."""
        return told(self._words, self._address)

    @override
    def __str__(self) -> str:
        return "".join(self._texts)

    def _href(self, link: tuple[int, Href | None]) -> Href:
        """What a link says; that of one that was replaced is seldom asked for."""
        at, href = link
        return href or _replaced(self._texts[at])

    def _address(self, number: int) -> str | None:
        """Where a link leads, as people read it; None for what they can't follow."""
        said, target, _ = self._href(self._links[number])
        if said.lower().startswith(("mailto:", "tel:")):
            return " ".join(said.partition(":")[2].partition("?")[0].split()) or None
        return target


def _read(parts: Sequence[str], ours: frozenset[str], known: Known) -> Found:
    """All of the parts; `rest` is what no part has closed: all of it, if that takes too long."""
    page, tries = Found(), 0
    for whole in parts:
        part = whole
        if page.rest:
            page.rest += part
            piece = _first(page.rest)
            if piece is None:
                tries += 1
                if tries > _MOST_TRIES:
                    return Found(rest="".join(parts))
                continue
            # What has closed it is at the end of this part: the rest of it is read by itself.
            page.add(_head(page.rest, piece))
            part, page.rest = page.rest[piece.end :], ""
        if "<" not in part:
            page.texts.append(part)
            page.words.some.append(part)
            continue
        found = known.get(part)
        if found is None:
            found = _found(part)
            if whole in ours and len(part) <= len(whole) and len(known) < 4 * len(ours):
                known[part] = found
        page.add(found)
        page.rest = found.rest
    return page


def _found(text: str) -> Found:
    """What is in a text that begins between two tags, as far as nothing that follows matters."""
    found, done, end = Found(), 0, 0
    for piece in _whole(text):
        if piece is None:
            break
        end = piece.end
        done = found.note(text, piece, done)
    else:
        last = len(text) - text.endswith("<")
        if end < last:
            found.words.some.append(text[end:last])
        end = last
    found.texts.append(text[done:end])
    found.rest = text[end:]
    return found


def _whole(text: str) -> Iterator[Piece | None]:
    """The pieces of a text but for texts that could go on, then None if something is not closed.

    A script or the like is one piece, from its tag to the end of what is in it.
    """
    tag: Piece | None = None
    for piece in pieces(text):
        if piece.kind in {"comment", "raw"} and piece.end == len(text):
            yield None
            return
        if tag is not None and piece.kind != "raw":
            yield Piece("raw", tag.start, piece.start, tag.name, tag.values)
            tag = None
        if piece.kind == "start" and piece.name in RAW:
            tag = piece
        elif tag is None and (piece.kind != "text" or piece.end < len(text)):
            yield piece


def _first(text: str) -> Piece | None:
    """What begins with the "<" that a text begins with, if it ends in it."""
    if len(text) == 1:
        return None
    piece = markup(text, 0)
    if piece is None:
        return Piece("text", 0, 1)
    if piece.kind == "start" and piece.name in RAW:
        return next(_whole(text), None)
    return piece if piece.kind != "comment" or piece.end < len(text) else None


def _head(text: str, piece: Piece) -> Found:
    head = Found()
    done = head.note(text, piece, 0)
    head.texts.append(text[done : piece.end])
    return head


def _finish(page: Found) -> tuple[int | None, bool]:
    """Take over what nothing closes. Before which text the page's end is, and whether what is put
    there is raw text.
    """
    text, done = page.rest, 0
    before: Piece | None = None
    last: Piece | None = None
    tail = Found()
    for piece in pieces(text):
        before, last = last, piece
        done = tail.note(text, last, done)
    is_open = last is not None and last.kind == "comment"
    around = before if is_open else last
    is_raw = around is not None and around.kind == "raw"
    if last is not None and is_open and tail.end is None and page.end is None:
        # What comes after a tag that never ends is shown to nobody.
        tail.texts.append(text[done : last.start])
        tail.end, done = len(tail.texts), last.start
        tail.last_word = len(tail.words.some) - 1
    elif tail.end is not None or page.end is not None:
        is_raw = False
    tail.texts.append(text[done:])
    page.add(tail)
    return page.end, is_raw


def pixel(address: str) -> str:
    """An invisible image whose loading means: opened."""
    return f'<img src="{html.escape(address)}" width="1" height="1" alt="" style="border:0">'


def way_out(address: str) -> str:
    """An unsubscribe line, for promotions that have forgotten it."""
    style = "font-size:12px;color:#666;margin-top:24px"
    return f'<p style="{style}"><a href="{html.escape(address)}">Unsubscribe</a></p>'


def _silent(tags: str) -> Found:
    return Found([tags], words=Words([Tag()]))


@lru_cache(maxsize=1024)
def _replaced(quoted: str) -> Href:
    return _href(quoted, Value(0, len(quoted), '"'))


def _href(text: str, value: Value) -> Href:
    said = decoded(text, value)
    return Href(said, web_address(said), is_refused(said))
