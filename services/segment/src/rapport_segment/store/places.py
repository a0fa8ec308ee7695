"""Where in a row `p` of `segment.person` what rules ask for stands: expressions and parameters."""

from typing import Any

import msgspec

from rapport_segment.domain.group_rows import EACH, ID
from rapport_segment.domain.permissions import EVERY
from rapport_segment.domain.rfm import SCORES
from rapport_segment.domain.sections import DEFINED, GROUPS
from rapport_segment.domain.subjects import (
    Compared,
    Consent,
    ContactPoint,
    Defined,
    Identifier,
    Score,
    Trait,
)
from rapport_segment.domain.values import PLAIN_NUMBER

_json = msgspec.json.Encoder(decimal_format="number")


class Places:
    """Reads subjects; each text is bound once, under its name in `parameters`."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def read(self, subject: Compared) -> str:
        """The JSON value, NULL where there is none."""
        if isinstance(subject, Trait):
            return self._trait(subject)
        if isinstance(subject, Score):
            theirs = "s.workspace = p.workspace AND s.profile_id = p.profile_id"
            name = self.text(subject.name)
            if subject.name in SCORES:
                return f"(SELECT s.scores -> {name} FROM segment.score s WHERE {theirs})"
            return (
                "(SELECT s.value FROM segment.published_score s "
                f"WHERE {theirs} AND s.name = {name})"
            )
        if isinstance(subject, Identifier):
            return f"(p.identifiers -> {self.text(subject.kind)})"
        if isinstance(subject, ContactPoint):
            channel, some = subject.names
            found = f"p.contact_points -> {self.text(channel)} -> {self.text(some)}"
            # No such place is as no such channel.
            return f"(NULLIF({found}, CAST('[]' AS jsonb)))"
        if isinstance(subject, Consent):
            told = [
                f"p.consent -> {self.text(channel)} -> {self.text(subject.purpose)}"
                for channel in (subject.channel, EVERY)
            ]
            return f"COALESCE({', '.join(told)})"
        place = (
            f"p.computed -> {self.text(DEFINED)}" if isinstance(subject, Defined) else "p.computed"
        )
        computed = f"{place} -> {self.text(subject.name)}"
        if subject.currency is None:
            return f"({computed})"
        return f"({computed} -> {self.text(subject.currency)})"

    def _trait(self, subject: Trait) -> str:
        """A trait of that name, else what is in one under the names behind it."""
        whole = f"p.traits -> {self.text(subject.name)}"
        if subject.names == (subject.name,):
            return f"({whole})"
        inner = " -> ".join(["p.traits", *map(self.text, subject.names)])
        return f"(CASE WHEN p.traits ? {self.text(subject.name)} THEN {whole} ELSE {inner} END)"

    def groups(self, kind: str, row: str) -> str:
        """The person's groups of a kind, each with its `traits`, as what stands behind FROM."""
        told = f"p.traits -> {self.text(GROUPS)}"
        one = f"({told} -> {self.text(kind)})"
        listed = (
            f"CASE WHEN jsonb_typeof({one} -> {self.text(ID)}) = 'string' "
            f"THEN jsonb_build_array({one}) "
            f"WHEN {told} ? {self.text(kind)} "
            f"THEN {told} -> {self.text(EACH)} -> {self.text(kind)} END"
        )
        rows = f"{elements(f'({listed})')} AS v WHERE jsonb_typeof(v.value) = 'object'"
        return f"(SELECT v.value AS traits FROM {rows}) AS {row}"

    def jsonb(self, value: Any) -> str:
        """A value as JSON."""
        return f"CAST({self.text(_json.encode(value).decode())} AS jsonb)"

    def text(self, value: str) -> str:
        """A text."""
        name = self._names.setdefault(value, f"r{len(self._names)}")
        self.parameters[name] = value
        return f"CAST(:{name} AS text)"

    def texts(self, values: list[str]) -> str:
        """An array of texts."""
        name = f"a{len(self.parameters)}"
        self.parameters[name] = values
        return f"CAST(:{name} AS text[])"


def elements(x: str) -> str:
    """The elements of a list; of what is none there are none."""
    listed = f"CASE jsonb_typeof({x}) WHEN 'array' THEN {x} ELSE CAST('[]' AS jsonb) END"
    return f"jsonb_array_elements({listed})"


def text_of(x: str) -> str:
    """The text that a JSON value is."""
    return f"({x} #>> '{{}}')"


def number_of(x: str) -> str:
    """The number a JSON value is, or is written as, else NULL."""
    return (
        f"CASE jsonb_typeof({x}) WHEN 'number' THEN CAST({x} AS numeric) WHEN 'string' THEN "
        f"CASE WHEN {text_of(x)} ~ '^{PLAIN_NUMBER}$' THEN CAST({text_of(x)} AS numeric) END END"
    )


def inside(expression: str, row: str = "e") -> str:
    """An expression of a row `p`, of what stands as `traits` in another row."""
    return f"(SELECT {expression} FROM (SELECT {row}.traits) AS p)"
