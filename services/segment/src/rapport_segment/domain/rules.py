"""The rule tree of a segment, and its parser, which names the place of every mistake."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, assert_never

from rapport_common.events.kinds import KINDS, PHONE
from rapport_common.events.money import normal_currency
from rapport_common.paths import names_of
from rapport_segment.domain.elements import indexed
from rapport_segment.domain.operands import (
    RuleError,
    address,
    address_like,
    as_written,
    count,
    id_text,
    moment,
    money,
    number_of_phone,
    part_of_address,
    part_of_id,
    phone_like,
    scalar,
    text,
)
from rapport_segment.domain.sections import COMPUTED, DEFINED, IDENTIFIERS, REVENUE, TRAITS, Facts
from rapport_segment.domain.values import (
    EMAIL,
    Scalar,
    normal_beginning,
    normal_text,
)

MAX_DEPTH = 16
MAX_NODES = 500
MAX_LIST = 1000

PRESENCE = frozenset({"exists", "not_exists"})
EQUALITY = frozenset({"eq", "ne", "in"})
ORDER = frozenset({"gt", "gte", "lt", "lte"})
TEXT = frozenset({"contains", "starts_with"})

SUBJECTS = ("trait", "computed", "defined", "identifier")
COUNTS = ("events", "orders", "open_cases")
INSTANTS = ("first_order_at", "last_order_at", "first_seen_at", "last_seen_at")
_DEFINED = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SEPARATORS = re.compile(r"[\s_-]")
_IDENTIFIERS = {_SEPARATORS.sub("", one): one for one in KINDS}
_PHONES = frozenset(
    {"phone", "phonenumber", "mobile", "mobilenumber", "mobilephone", "telephone", "tel"}
    | {"cellphone", "msisdn"}
)
"""Traits whose operands are phone numbers, without `_` and in lower case."""


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait, or what is in one: `name` is a path (`rapport_common.paths`) of these `names`."""

    name: str
    names: tuple[str, ...]

    section: ClassVar[int] = TRAITS

    @property
    def label(self) -> str:
        return f"trait {self.name}"

    def read(self, facts: Facts) -> Any:
        return indexed(facts.traits, self.name, self.names)


@dataclass(frozen=True, slots=True)
class Computed:
    """An aggregate over the person's events; `currency` with revenue and only there."""

    name: str
    currency: str | None = None

    section: ClassVar[int] = COMPUTED

    @property
    def label(self) -> str:
        return f"{self.name} {self.currency}" if self.currency else self.name

    def read(self, facts: Facts) -> Any:
        if self.currency is None:
            return facts.computed.get(self.name)
        return facts.computed[REVENUE].get(self.currency)


@dataclass(frozen=True, slots=True)
class Identifier:
    """All of the person's identifiers of one kind: a list of strings."""

    kind: str

    section: ClassVar[int] = IDENTIFIERS

    @property
    def label(self) -> str:
        return f"identifier {self.kind}"

    def read(self, facts: Facts) -> Any:
        return facts.identifiers.get(self.kind)


@dataclass(frozen=True, slots=True)
class Defined:
    """A computed trait that the workspace has defined; `currency` with one of money."""

    name: str
    currency: str | None = None

    section: ClassVar[int] = COMPUTED

    @property
    def label(self) -> str:
        return f"{self.name} {self.currency}" if self.currency else self.name

    def read(self, facts: Facts) -> Any:
        defined = facts.computed.get(DEFINED)
        found = None if defined is None else defined.get(self.name)
        if self.currency is None:
            return found
        return found.get(self.currency) if type(found) is dict else None


Subject = Trait | Computed | Defined | Identifier


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. `value` is None for exists / not_exists, a tuple for in."""

    path: str
    subject: Subject
    op: str
    value: Scalar | tuple[Scalar, ...] | None


@dataclass(frozen=True, slots=True)
class And:
    children: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    children: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    child: "Rule"


Rule = And | Or | Not | Leaf


def sections_read(rule: Rule) -> int:
    """The sections that a rule reads, as bits by their places."""
    match rule:
        case Leaf():
            return 1 << rule.subject.section
        case Not():
            return sections_read(rule.child)
        case And() | Or():
            found = 0
            for one in rule.children:
                found |= sections_read(one)
            return found
        case _:
            assert_never(rule)


def parse(document: object) -> Rule:
    """A rule from decoded JSON; RuleError says what is wrong and where."""
    return _Parser().node(document, "", 1)


class _Parser:
    """Walks the document and counts its nodes."""

    def __init__(self) -> None:
        self._nodes = 0

    def node(self, document: object, path: str, depth: int) -> Rule:
        if not isinstance(document, Mapping):
            raise RuleError(path, "must be an object: and, or, not, or a comparison")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise RuleError(path, f"a rule has at most {MAX_NODES} nodes")
        if depth > MAX_DEPTH:
            raise RuleError(path, f"a rule is at most {MAX_DEPTH} levels deep")
        branch = next((key for key in ("and", "or", "not") if key in document), None)
        if branch is None:
            return _leaf(document, path)
        _only(document, path, {branch})
        below = f"{path}.{branch}" if path else branch
        if branch == "not":
            return Not(self.node(document[branch], below, depth + 1))
        children = self._children(document[branch], below, depth)
        return And(children) if branch == "and" else Or(children)

    def _children(self, listed: object, path: str, depth: int) -> tuple[Rule, ...]:
        if not isinstance(listed, list) or not listed:
            raise RuleError(path, "must be a list with at least one rule")
        return tuple(
            self.node(one, f"{path}[{index}]", depth + 1) for index, one in enumerate(listed)
        )


def _leaf(document: Mapping[str, Any], path: str) -> Leaf:
    subject = _subject(document, path)
    op = _op(document, path, subject)
    place = _below(path, "value")
    if op in PRESENCE:
        if "value" in document:
            raise RuleError(place, f"{op} takes no value")
        return Leaf(path, subject, op, None)
    if "value" not in document:
        raise RuleError(place, f"{op} needs a value")
    return Leaf(path, subject, op, _operand(document["value"], place, subject, op))


def _subject(document: Mapping[str, Any], path: str) -> Subject:
    named = [key for key in SUBJECTS if key in document]
    if len(named) != 1:
        raise RuleError(path, f"needs one of: and, or, not, {', '.join(SUBJECTS)}; and only one")
    key = named[0]
    name = text(document[key], _below(path, key))
    if not name:
        raise RuleError(_below(path, key), "must not be empty")
    extra = {"currency"} if key == "defined" or (key, name) == ("computed", REVENUE) else set()
    _only(document, path, {key, "op", "value"} | extra)
    if key == "trait":
        return Trait(name, tuple(map(normal_text, names_of(name))))
    if key == "identifier":
        return Identifier(_kind_of_identifier(name))
    if key == "defined":
        return _defined(document, path, name)
    return _computed(document, path, name)


def _defined(document: Mapping[str, Any], path: str, name: str) -> Defined:
    if not _DEFINED.fullmatch(name):
        raise RuleError(_below(path, "defined"), "is the name of a computed trait: a-z, 0-9, '_'")
    if "currency" not in document:
        return Defined(name)
    currency = normal_currency(document["currency"])
    if currency is None:
        raise RuleError(_below(path, "currency"), "must be one of ISO 4217, such as USD")
    return Defined(name, currency)


def _kind_of_identifier(name: str) -> str:
    """`userId`, `user-id` and `User ID` are `user_id`."""
    plain = name.strip().lower()
    return _IDENTIFIERS.get(_SEPARATORS.sub("", plain), plain)


def _computed(document: Mapping[str, Any], path: str, name: str) -> Computed:
    if name == REVENUE:
        place = _below(path, "currency")
        currency = normal_currency(document.get("currency"))
        if currency is None:
            raise RuleError(place, "revenue needs a currency of ISO 4217, such as USD")
        return Computed(name, currency)
    if name not in COUNTS + INSTANTS:
        known = ", ".join((*COUNTS, REVENUE, *INSTANTS))
        raise RuleError(_below(path, "computed"), f"is none of: {known}")
    return Computed(name)


def _op(document: Mapping[str, Any], path: str, subject: Subject) -> str:
    allowed = EQUALITY | PRESENCE
    if not isinstance(subject, Identifier):
        allowed |= ORDER
    if not isinstance(subject, Computed):
        allowed |= TEXT
    op = document.get("op")
    if not isinstance(op, str) or op not in allowed:
        raise RuleError(
            _below(path, "op"), f"must be one of {', '.join(sorted(allowed))} for {_kind(subject)}"
        )
    return op


def _kind(subject: Subject) -> str:
    kinds = {Trait: "a trait", Identifier: "an identifier", Defined: "a defined trait"}
    return kinds.get(type(subject), "a computed value")


def _operand(value: object, path: str, subject: Subject, op: str) -> Scalar | tuple[Scalar, ...]:
    convert = _converter(subject, op)
    if op == "in":
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
            raise RuleError(path, f"must be a list of 1 to {MAX_LIST} values")
        return tuple(convert(one, f"{path}[{index}]") for index, one in enumerate(value))
    wanted = convert(value, path)
    if op == "starts_with" and not isinstance(wanted, str):
        raise RuleError(path, "must be a string for starts_with")
    if op in ORDER and isinstance(wanted, bool):
        raise RuleError(path, f"must be a number or a string for {op}")
    return wanted


def _converter(subject: Subject, op: str) -> Callable[[object, str], Scalar]:
    """Brings an operand into the form in which the facts are kept."""
    if isinstance(subject, Trait):
        if subject.name == EMAIL:
            return lambda value, path: address_like(scalar(value, path))
        if op == "starts_with":
            return lambda value, path: normal_beginning(as_written(value, path))
        if op in EQUALITY and _SEPARATORS.sub("", subject.names[-1].lower()) in _PHONES:
            return lambda value, path: phone_like(scalar(value, path))
        return scalar
    if isinstance(subject, Identifier):
        if subject.kind == PHONE and op in EQUALITY:
            return number_of_phone
        if subject.kind != EMAIL:
            return id_text if op in EQUALITY else part_of_id
        return address if op in EQUALITY else part_of_address
    if isinstance(subject, Defined):
        return scalar if subject.currency is None else money
    if subject.name == REVENUE:
        return money
    return count if subject.name in COUNTS else moment


def _only(document: Mapping[str, Any], path: str, allowed: set[str]) -> None:
    unknown = [key for key in document if key not in allowed]
    if unknown:
        shown = ascii(str(unknown[0])[:40])
        raise RuleError(path, f"has {shown}; here belong {', '.join(sorted(allowed))}")


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
