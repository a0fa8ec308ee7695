"""Reads a rule that is written as one line: `orders >= 2 and not plan = "free"`.

It becomes the same document as the rule has in JSON; a mistake is named by its column.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from rapport_segment.domain import rules
from rapport_segment.domain.leaves import COUNTS, INSTANTS
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.printing import PRESENCE, RESERVED, SYMBOLS, WORD
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.windows import UNITS

MAX_LENGTH = 200_000
MOST_BRACKETS = 40
_TOKEN = re.compile(
    r"\s*(?:"
    r'(?P<string>"(?:[^"\\\n]|\\.)*")'
    rf"|(?P<duration>[0-9]+(?:{'|'.join(UNITS)})(?![A-Za-z0-9_]))"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_]))"
    rf"|(?P<word>{WORD})"
    r"|(?P<symbol>!=|>=|<=|[=<>(),+-])"
    r"|(?P<end>\Z))"
)
_OPERATORS = {symbol: op for op, symbol in SYMBOLS.items()}
_PRESENCE = {word: op for op, word in PRESENCE.items()}
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_AFTER_A_NAME = frozenset(
    {"exists", "missing", "in", "contains", "matches", "within", "and", "or", "for"}
)


class LineError(RuleError):
    """A line that can't be read; `details.column` is the place, from 1 on."""

    def __init__(self, column: int, message: str, path: str | None = None) -> None:
        super().__init__(f"column {column}", message)
        self.details = {"column": column} | ({} if path is None else {"path": path})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


@dataclass(slots=True)
class _Piece:
    """A part of the document, where it begins in the line, and where its value does."""

    document: dict[str, Any]
    column: int
    value_column: int | None = None
    parts: "dict[str, _Piece]" = field(default_factory=dict)

    def column_of(self, path: str) -> int:
        """Of what is at a path in it."""
        for key, part in self.parts.items():
            if path == key or path.startswith((f"{key}.", f"{key}[")):
                return part.column_of(path[len(key) :].lstrip("."))
        if path.startswith("value") and self.value_column is not None:
            return self.value_column
        return self.column


def read(text: str) -> dict[str, Any]:
    """The document of a rule; LineError says what is wrong and where."""
    if len(text) > MAX_LENGTH:
        raise LineError(MAX_LENGTH, f"a rule has at most {MAX_LENGTH} characters")
    piece = _Reader(_tokens(text)).whole()
    try:
        rules.parse(piece.document)
    except RuleError as error:
        path = error.details["path"]
        message = error.message.removeprefix(f"{path}: ")
        raise LineError(piece.column_of(path), message, path) from error
    return piece.document


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            column = len(text) - len(text[at:].lstrip()) + 1
            raise LineError(column, 'here is nothing that a rule is made of; texts are in ""')
        kind = match.lastgroup
        found.append(_Token(kind, match[kind], match.start(kind) + 1))
        at = match.end()
    return found


class _Reader:
    """Goes through the tokens, one ahead."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._brackets = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _has(self, *texts: str) -> bool:
        return self._next.kind in {"word", "symbol"} and self._next.text in texts

    def _taken(self, *texts: str) -> bool:
        found = self._has(*texts)
        if found:
            self._take()
        return found

    def _expect(self, *texts: str) -> _Token:
        if not self._has(*texts):
            self._fail(f"here belongs {' or '.join(texts)}")
        return self._take()

    def _fail(self, message: str) -> NoReturn:
        raise LineError(self._next.column, message)

    def whole(self) -> _Piece:
        piece = self._either()
        if self._next.kind != "end":
            self._fail("here belongs and, or, or nothing more")
        return piece

    def _either(self) -> _Piece:
        return self._joined("or", [self._every()], self._every)

    def _every(self) -> _Piece:
        return self._joined("and", [self._one()], self._one)

    def _joined(self, word: str, pieces: list[_Piece], more: Any) -> _Piece:
        while self._taken(word):
            pieces.append(more())
        return pieces[0] if len(pieces) == 1 else _join(word, pieces)

    def _one(self) -> _Piece:
        column = self._next.column
        self._brackets += 1
        if self._brackets > MOST_BRACKETS:
            self._fail(f"is more than {MOST_BRACKETS} levels deep")
        try:
            return self._nested(column)
        finally:
            self._brackets -= 1

    def _nested(self, column: int) -> _Piece:
        if self._taken("not"):
            inner = self._one()
            return _Piece({"not": inner.document}, column, parts={"not": inner})
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

    def _leaf(self, column: int) -> _Piece:
        document: dict[str, Any] = {}
        of = self._next.text
        if self._taken("any", "all", "none", "size"):
            self._expect("of")
            document["of"] = of
        document = {**self._subject(), **document}
        if {"reachable", "bucket", "segment", "list"} & document.keys():
            return _Piece(document, column)
        if self._has(*_PRESENCE):
            document["op"] = _PRESENCE[self._take().text]
            return _Piece(document, column)
        op = self._take_operator()
        document["op"] = op
        value_column = self._next.column
        document["value"] = self._value(op)
        return _Piece(document, column, value_column)

    def _take_operator(self) -> str:
        words = ("in", "contains", "starts_with", "matches", "within", "anniversary")
        if not self._has(*_OPERATORS, *words):
            known = ", ".join([*_OPERATORS, *words, *_PRESENCE])
            self._fail(f"here belongs one of {known}")
        text = self._take().text
        return _OPERATORS.get(text, text)

    def _subject(self) -> dict[str, Any]:
        token = self._next
        if token.kind != "word":
            self._fail("here belongs what is compared: a trait, orders, revenue EUR, not, (")
        self._take()
        match token.text:
            case "trait" | "identifier" | "segment" | "list":
                return {token.text: self._name()}
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

    def _value_of(self, token: _Token) -> dict[str, Any]:
        """A computed value or a trait, by its name alone."""
        if token.text == REVENUE:
            return {"computed": REVENUE, **self._currency()}
        if token.text in COUNTS + INSTANTS:
            return {"computed": token.text}
        if token.text in RESERVED:
            self._at -= 1
            self._fail(f'a trait of this name is written trait "{token.text}"')
        return {"trait": token.text}

    def _name(self) -> str:
        if self._next.kind not in {"word", "string"}:
            self._fail("here belongs a name")
        return self._take_text()

    def _take_text(self) -> str:
        token = self._take()
        if token.kind != "string":
            return token.text
        try:
            return str(json.loads(token.text))
        except ValueError:
            raise LineError(token.column, "is no text as JSON has it") from None

    def _currency(self) -> dict[str, str]:
        is_one = self._next.kind == "word" and _CURRENCY.fullmatch(self._next.text)
        if not is_one or self._next.text in _AFTER_A_NAME:
            return {}
        return {"currency": self._take().text}

    def _purpose(self) -> dict[str, str]:
        return {"purpose": self._name()} if self._taken("for") else {}

    def _bucket(self) -> dict[str, Any]:
        found: dict[str, Any] = {"bucket": self._name()}
        for key in ("from", "to"):
            self._expect(key)
            found[key] = self._number()
        return found

    def _value(self, op: str) -> Any:
        if op == "in":
            return self._listed()
        if op in {"within", "anniversary"}:
            return self._window()
        if self._taken("now"):
            return {"now": self._distance()}
        return self._scalar()

    def _listed(self) -> list[Any]:
        self._expect("(")
        found = [self._scalar()]
        while self._taken(","):
            found.append(self._scalar())
        self._expect(")")
        return found

    def _window(self) -> dict[str, str]:
        side = self._expect("last", "next", "this").text
        wanted = "word" if side == "this" else "duration"
        if self._next.kind != wanted:
            example = "month" if side == "this" else "30d"
            self._fail(f"here belongs such as {example}")
        found = {side: self._take().text}
        return {**found, "zone": self._name()} if self._taken("in") else found

    def _distance(self) -> str:
        if not self._has("+", "-"):
            return "+0d"
        sign = self._take().text
        if self._next.kind != "duration":
            self._fail("here belongs such as 30d: a number and one of min, h, d, w, mo, y")
        return sign + self._take().text

    def _scalar(self) -> Any:
        if self._next.kind == "string":
            return self._take_text()
        if self._has("true", "false"):
            return self._take().text == "true"
        return self._number()

    def _number(self) -> int | Decimal:
        sign = -1 if self._taken("-") else 1
        if self._next.kind != "number":
            self._fail('here belongs a value: a number, true, false, or a text in ""')
        text = self._take().text
        return sign * (int(text) if text.isdigit() and len(text) < MOST_BRACKETS else Decimal(text))


def _join(word: str, pieces: list[_Piece], column: int | None = None) -> _Piece:
    documents = [piece.document for piece in pieces]
    parts = {f"{word}[{number}]": piece for number, piece in enumerate(pieces)}
    return _Piece({word: documents}, pieces[0].column if column is None else column, parts=parts)
