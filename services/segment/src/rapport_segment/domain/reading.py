"""Reads a rule that is written as one line: `orders >= 2 and not plan = "free"`.

It becomes the same document as the rule has in JSON; a mistake is named by its column.
"""

import re
from typing import Any

from rapport_segment.domain import rules
from rapport_segment.domain.leaves import COUNTS, INSTANTS
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.printing import RESERVED
from rapport_segment.domain.reading_events import EventTokens
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.tokens import MOST_BRACKETS, LineError, Piece, Token, tokens_of

__all__ = ["LineError", "read"]

MAX_LENGTH = 200_000
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_AFTER_A_NAME = frozenset(
    {"exists", "missing", "in", "contains", "matches", "within", "and", "or", "for"}
)


def read(text: str) -> dict[str, Any]:
    """The document of a rule; LineError says what is wrong and where."""
    if len(text) > MAX_LENGTH:
        raise LineError(MAX_LENGTH, f"a rule has at most {MAX_LENGTH} characters")
    piece = _Reader(tokens_of(text)).whole()
    try:
        rules.parse(piece.document)
    except RuleError as error:
        path = error.details["path"]
        message = error.message.removeprefix(f"{path}: ")
        raise LineError(piece.column_of(path), message, path) from error
    return piece.document


class _Reader(EventTokens):
    """Reads what a rule is made of."""

    def whole(self) -> Piece:
        piece = self._either()
        if self._next.kind != "end":
            self._fail("here belongs and, or, or nothing more")
        return piece

    def _either(self) -> Piece:
        return self._joined("or", [self._every()], self._every)

    def _every(self) -> Piece:
        return self._joined("and", [self._one()], self._one)

    def _joined(self, word: str, pieces: list[Piece], more: Any) -> Piece:
        while self._taken(word):
            pieces.append(more())
        return pieces[0] if len(pieces) == 1 else _join(word, pieces)

    def _one(self) -> Piece:
        column = self._next.column
        self._brackets += 1
        if self._brackets > MOST_BRACKETS:
            self._fail(f"is more than {MOST_BRACKETS} levels deep")
        try:
            return self._nested(column)
        finally:
            self._brackets -= 1

    def _nested(self, column: int) -> Piece:
        if self._taken("not"):
            inner = self._one()
            return Piece({"not": inner.document}, column, parts={"not": inner})
        for word in ("and", "or"):
            if self._taken(word):
                self._expect("(")
                inner = self._either()
                self._expect(")")
                return _join(word, [inner], column)
        if self._taken("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._leaf(column)

    def _leaf(self, column: int) -> Piece:
        if (piece := self._of_events(column)) is not None:
            return piece
        of = self._quantity()
        document = {**self._subject(), **of}
        if {"reachable", "bucket", "segment", "list"} & document.keys():
            return Piece(document, column)
        return self._compared(document, column)

    def _subject(self) -> dict[str, Any]:
        token = self._next
        if token.kind != "word":
            self._fail("here belongs what is compared: a trait, orders, revenue EUR, not, (")
        self._take()
        match token.text:
            case "trait" | "identifier" | "segment" | "list" | "score":
                return {token.text: self._name()}
            case "answer":
                return {"answer": self._name(), **self._survey()}
            case "defined":
                return {"defined": self._name(), **self._currency()}
            case "contact_point":
                channel = {"contact_point": self._name()}
                return {**channel, "verified": True} if self._taken("verified") else channel
            case "consent":
                return {"consent": self._name(), **self._purpose()}
            case "reachable":
                self._expect("by")
                return {"reachable": self._name(), **self._purpose()}
            case "bucket":
                return self._bucket()
            case _:
                return self._value_of(token)

    def _value_of(self, token: Token) -> dict[str, Any]:
        """A computed value or a trait, by its name alone."""
        if token.text == REVENUE:
            return {"computed": REVENUE, **self._currency()}
        if token.text in COUNTS + INSTANTS:
            return {"computed": token.text}
        if token.text in RESERVED:
            self._at -= 1
            self._fail(f'a trait of this name is written trait "{token.text}"')
        return {"trait": token.text}

    def _currency(self) -> dict[str, str]:
        is_one = self._next.kind == "word" and _CURRENCY.fullmatch(self._next.text)
        if not is_one or self._next.text in _AFTER_A_NAME:
            return {}
        return {"currency": self._take().text}

    def _survey(self) -> dict[str, str]:
        return {"survey": self._name()} if self._taken("of") else {}

    def _purpose(self) -> dict[str, str]:
        return {"purpose": self._name()} if self._taken("for") else {}

    def _bucket(self) -> dict[str, Any]:
        found: dict[str, Any] = {"bucket": self._name()}
        for key in ("from", "to"):
            self._expect(key)
            found[key] = self._number()
        return found


def _join(word: str, pieces: list[Piece], column: int | None = None) -> Piece:
    documents = [piece.document for piece in pieces]
    parts = {f"{word}[{number}]": piece for number, piece in enumerate(pieces)}
    return Piece({word: documents}, pieces[0].column if column is None else column, parts=parts)
