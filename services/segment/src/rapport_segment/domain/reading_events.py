"""Reads what a line asks of events and of groups.

`count("Order Completed", total > 9) within last 90d >= 3`, `group("company", seats > 100)`.
"""

from typing import Any

from rapport_segment.domain.event_leaves import CALLED, CASE
from rapport_segment.domain.event_subjects import AMOUNTS, PLACES
from rapport_segment.domain.group_leaves import GROUP
from rapport_segment.domain.tokens import Piece, Tokens

WHOLES = (GROUP, CASE)
"""Of these one has all that stands in the bracket, whatever window there may be."""


class EventTokens(Tokens):
    """Reads comparisons with events. Each begins with a word and a bracket, as no trait does."""

    def _of_events(self, column: int) -> Piece | None:
        """A comparison with events or groups; None if here is another one."""
        word = self._next.text
        is_known = word in WHOLES or word in CALLED
        if self._next.kind != "word" or not is_known or not self._is_called():
            return None
        self._take()
        self._expect("(")
        if word in WHOLES:
            return self._whole(word, column)
        if word == "sequence":
            return self._sequence(column)
        parts: dict[str, Piece] = {}
        document = self._events(word, parts)
        if word not in PLACES or "property" in document:
            document |= self._event_window()
        if word == "performed":
            return Piece(document, column, parts=parts)
        piece = self._compared(document, column)
        piece.parts = parts
        return piece

    def _whole(self, word: str, column: int) -> Piece:
        """A kind of groups or the state of cases, and what is asked of one of them."""
        parts: dict[str, Piece] = {}
        document: dict[str, Any] = {word: self._name()}
        document |= self._conditions(parts, first=False)
        self._expect(")")
        return Piece(document, column, parts=parts)

    def _is_called(self) -> bool:
        behind = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        return behind.kind == "symbol" and behind.text == "("

    def _events(self, word: str, parts: dict[str, Piece]) -> dict[str, Any]:
        """What stands in the brackets: which events, and what of them."""
        document: dict[str, Any] = {}
        if word in AMOUNTS:
            document["property"] = self._property()
            self._expect("of")
        elif word == "nth":
            document["n"] = self._number()
            self._expect("of")
        if word in PLACES and self._next.kind != "string":
            document["property"] = self._property()
            self._expect("of")
        document[word] = self._text()
        document |= self._conditions(parts, first=False)
        self._expect(")")
        return document

    def _conditions(self, parts: dict[str, Piece], *, first: bool) -> dict[str, Any]:
        """Comparisons with properties, with commas between them and, unless `first`, before."""
        found: list[Piece] = []
        while first or self._taken(","):
            first = False
            column, of = self._next.column, self._quantity()
            found.append(self._compared({"property": self._property(), **of}, column))
        parts.update({f"where[{number}]": one for number, one in enumerate(found)})
        return {"where": [one.document for one in found]} if found else {}

    def _property(self) -> str:
        if self._next.kind == "word" and self._next.text == "property":
            self._take()
        return self._name()

    def _text(self) -> str:
        if self._next.kind != "string":
            self._fail('here belongs the name of an event in ""')
        return self._take_text()

    def _event_window(self) -> dict[str, Any]:
        if self._has("after", "before"):
            window = {}
            for side in ("after", "before"):
                if self._taken(side):
                    window[side] = self._text()
            return {"within": window}
        if not self._taken("within"):
            return {}
        if self._next.kind == "duration":
            return {"within": {"last": self._take().text}}
        return {"within": self._window()}

    def _sequence(self, column: int) -> Piece:
        parts: dict[str, Piece] = {}
        steps = [self._step(parts, 0)]
        while self._taken("then"):
            steps.append(self._step(parts, len(steps)))
        document: dict[str, Any] = {"sequence": steps}
        if self._taken("same"):
            document["same"] = [self._property()]
            while self._taken(","):
                document["same"].append(self._property())
        self._expect(")")
        return Piece(document | self._event_window(), column, parts=parts)

    def _step(self, parts: dict[str, Piece], number: int) -> dict[str, Any]:
        """An event, with what is asked of its properties, and how long after the one before."""
        key = "not_performed" if self._taken("not") else "performed"
        document: dict[str, Any] = {key: self._text()}
        inner: dict[str, Piece] = {}
        if self._taken("("):
            document |= self._conditions(inner, first=True)
            self._expect(")")
        parts.update({f"sequence[{number}].{path}": one for path, one in inner.items()})
        if number and self._taken("within"):
            if self._next.kind != "duration":
                self._fail("here belongs such as 1h: a number and one of min, h, d, w")
            document["within"] = self._take().text
        return document
