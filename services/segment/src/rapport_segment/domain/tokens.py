"""The words, signs and values of a rule that is written as one line, one after the other."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.printing import PRESENCE, SYMBOLS, WORD
from rapport_segment.domain.windows import UNITS

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
PRESENT = {word: op for op, word in PRESENCE.items()}


class LineError(RuleError):
    """A line that can't be read; `details.column` is the place, from 1 on."""

    def __init__(self, column: int, message: str, path: str | None = None) -> None:
        super().__init__(f"column {column}", message)
        self.details = {"column": column} | ({} if path is None else {"path": path})


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a sign, or a value; `column` from 1 on."""

    kind: str
    text: str
    column: int


@dataclass(slots=True)
class Piece:
    """A part of the document, where it begins in the line, and where its value does."""

    document: dict[str, Any]
    column: int
    value_column: int | None = None
    parts: "dict[str, Piece]" = field(default_factory=dict)

    def column_of(self, path: str) -> int:
        """Of what is at a path in it."""
        for key, part in self.parts.items():
            if path == key or path.startswith((f"{key}.", f"{key}[")):
                return part.column_of(path[len(key) :].lstrip("."))
        if path.startswith("value") and self.value_column is not None:
            return self.value_column
        return self.column


def tokens_of(text: str) -> list[Token]:
    """All of a line; LineError for what is none."""
    found: list[Token] = []
    at = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            column = len(text) - len(text[at:].lstrip()) + 1
            raise LineError(column, 'here is nothing that a rule is made of; texts are in ""')
        kind = match.lastgroup
        found.append(Token(kind, match[kind], match.start(kind) + 1))
        at = match.end()
    return found


class Tokens:
    """Goes through the tokens, one ahead."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._brackets = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
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

    def _expect(self, *texts: str) -> Token:
        if not self._has(*texts):
            self._fail(f"here belongs {' or '.join(texts)}")
        return self._take()

    def _fail(self, message: str) -> NoReturn:
        raise LineError(self._next.column, message)

    def _take_operator(self) -> str:
        words = ("in", "contains", "starts_with", "matches", "within", "anniversary")
        if not self._has(*_OPERATORS, *words):
            known = ", ".join([*_OPERATORS, *words, *PRESENT])
            self._fail(f"here belongs one of {known}")
        text = self._take().text
        return _OPERATORS.get(text, text)

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
        # With a bracket behind it, it is the operator: `last(a of "E") within this week in (1, 2)`.
        if self._has("in") and self._tokens[self._at + 1].text != "(":
            self._take()
            return {**found, "zone": self._name()}
        return found

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
        text = self._next.text
        if text.isdigit() and len(text) < MOST_BRACKETS:
            self._take()
            return sign * int(text)
        try:
            value = Decimal(text) * sign
        except ArithmeticError:
            self._fail("this number is too large or too small by far")
        self._take()
        return value

    def _compared(self, document: dict[str, Any], column: int) -> Piece:
        """What stands behind a subject: an operator, and mostly a value."""
        if self._has(*PRESENT):
            document["op"] = PRESENT[self._take().text]
            return Piece(document, column)
        op = self._take_operator()
        document["op"] = op
        value_column = self._next.column
        document["value"] = self._value(op)
        return Piece(document, column, value_column)

    def _quantity(self) -> dict[str, Any]:
        """Of a list: one of its elements, all, none, or how many there are."""
        of = self._next.text
        if not self._taken("any", "all", "none", "size"):
            return {}
        self._expect("of")
        return {"of": of}
