"""A rule, part by part: what each of them comes to among everybody, and what is odd about that."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never
from uuid import UUID

from rapport_segment.domain import printing
from rapport_segment.domain.subjects import Trait
from rapport_segment.domain.tree import And, Leaf, Not, Or, Rule, leaves
from rapport_segment.domain.values import number

TYPES = ("text", "number", "boolean", "list", "object", "missing")
"""What a trait can be, in this order; `null` is missing."""

SHOWN = 10
"""So many people whom a rule fits are shown."""
MOST_TRAITS = 20
"""So many traits are looked at for what they are; more of a rule are left out."""


@dataclass(frozen=True, slots=True)
class Part:
    """One node of a rule; `depth` is 0 at the root, `path` as errors name it."""

    path: str
    depth: int
    rule: Rule

    @property
    def line(self) -> str:
        """As one line."""
        return printing.line(self.rule)


@dataclass(frozen=True, slots=True)
class Counted:
    """For how many people a part holds.

    Of an `and` that it stands in, `left` fit it and all parts before it; None elsewhere.
    """

    part: Part
    count: int
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Tallied:
    """What a look at people has come to.

    `types`: of each trait of the rule, how many have it as what. `examples`: some whom it fits.
    """

    fitting: int
    everybody: int
    funnel: Sequence[Counted]
    reach: Mapping[str, int]
    types: Mapping[Trait, Mapping[str, int]]
    examples: Sequence[UUID]


def traits_of(rule: Rule) -> list[Trait]:
    """The traits of a rule that are looked at for what they are, each once."""
    found = {one.subject: None for one in leaves(rule) if isinstance(one.subject, Trait)}
    return list(found)[:MOST_TRAITS]


def parts(rule: Rule, path: str = "", depth: int = 0) -> Iterator[Part]:
    """All nodes, each before those that it is made of."""
    yield Part(path, depth, rule)
    match rule:
        case Not():
            yield from parts(rule.child, _below(path, "not"), depth + 1)
        case And() | Or():
            word = "and" if isinstance(rule, And) else "or"
            for index, child in enumerate(rule.children):
                yield from parts(child, f"{_below(path, word)}[{index}]", depth + 1)
        case Leaf():
            pass
        case _:
            assert_never(rule)


def _below(path: str, word: str) -> str:
    return f"{path}.{word}" if path else word


_WANTED: Mapping[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    str: "text",
}
_SAID = {
    "text": "as a text",
    "number": "as a number",
    "boolean": "as true or false",
    "list": "as a list",
    "object": "as an object",
}


def odd(leaf: Leaf, found: Mapping[str, int], *, estimated: bool = False) -> Sequence[str]:
    """What somebody may not expect of a comparison, in words: who has the trait as something else
    than what it is compared with, and that nobody has it. `found` says how many have it as what;
    `estimated`: by a sample, in which those may not be who have it.
    """
    if not isinstance(leaf.subject, Trait) or leaf.of != "any":
        return []
    if all(count == 0 for name, count in found.items() if name != "missing"):
        return [f"nobody {'of the sample ' if estimated else ''}has {leaf.subject.name}"]
    wanted = _wanted(leaf)
    if wanted is None:
        return []
    others = [name for name in _SAID if name not in {wanted, "list"} and found.get(name)]
    about = "about " if estimated else ""
    return [f"{about}{_people(found[name])} {leaf.subject.name} {_SAID[name]}" for name in others]


def _people(count: int) -> str:
    return "1 person has" if count == 1 else f"{count} people have"


def _wanted(leaf: Leaf) -> str | None:
    """As what a comparison wants a trait; None where all will do."""
    if leaf.is_timed:
        return "text"
    value = leaf.value[0] if isinstance(leaf.value, tuple) and leaf.value else leaf.value
    if isinstance(value, str) and leaf.op not in {"contains", "starts_with", "matches"}:
        # Plain numbers are compared as numbers, however they are written.
        return "number" if number(value) is not None else "text"
    return _WANTED.get(type(value))
