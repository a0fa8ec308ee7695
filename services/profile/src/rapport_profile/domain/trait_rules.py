"""A workspace's trait rules: what a trait is, and which of what was said about it counts.

What an event says of a trait is weighed when it is read (`TraitJudge.weighed`): folds compare
weights and stamps and know no rules, so they stay joins. A change of rules weighs everything anew
(`handlers/rebuilding.py`).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_profile.domain.rules import RulesError
from rapport_profile.domain.stamps import OWN_SOURCE, Stamp
from rapport_profile.domain.traits import MAX_ITEM, Rank, Trait, listed

MAX_DECLARED = 1_000
MAX_NAME = 512
"""Characters."""
MAX_SOURCES = 50
MAX_DESCRIPTION = 1_000

Rule = Literal["latest", "first", "priority", "max", "min", "union", "removed"]
Type = Literal["text", "number", "boolean", "time", "list", "object"]

_NULL = b"null"
_ONCE = Rank(Decimal("-Infinity"), is_first=True)
_FIRST = Rank(is_first=True)
_OWN = Rank(Decimal("Infinity"))
"""What this service has worked out, such as a member's points, nobody else may say."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,100})?")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_decimals = msgspec.json.Encoder(decimal_format="number")
_FORMS: dict[Type, type] = {
    "text": str,
    "boolean": bool,
    "list": list,
    "object": dict,
}


class TraitRule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What goes for one trait.

    `rule`: which of the values counts: the `latest` said, the `first` said, that of the source
    which stands first in `sources` (`priority`; of one source the latest, unnamed sources last),
    the greatest (`max`) or smallest (`min`) number or time, a list of all (`union`), or none
    (`removed`: it is not kept). `type`: what a value must be, to count; None: anything.
    """

    rule: Rule = "latest"
    type: Type | None = None
    sources: tuple[str, ...] = ()
    description: str = ""


class TraitRules(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The rules as they are declared; of traits that are left out the latest value counts."""

    traits: dict[str, TraitRule] = {}


def checked(declared: TraitRules) -> TraitRules:
    """The rules as they are; RulesError says what can't be."""
    if len(declared.traits) > MAX_DECLARED:
        raise RulesError("traits", f"at most {MAX_DECLARED:,} traits can be declared")
    for name, one in declared.traits.items():
        where = f"traits.{name[:64]}"
        if not 0 < len(name) <= MAX_NAME or "\0" in name:
            raise RulesError(where, f"a name has 1 to {MAX_NAME} characters, and no NUL")
        _check_rule(where, one)
    return declared


def _check_rule(where: str, one: TraitRule) -> None:
    if (one.rule == "priority") != bool(one.sources):
        message = "the rule 'priority', and no other, goes by `sources`, the strongest first"
        raise RulesError(f"{where}.sources", message)
    if len(one.sources) > MAX_SOURCES or len(set(one.sources)) < len(one.sources):
        message = f"at most {MAX_SOURCES} sources, each of them once"
        raise RulesError(f"{where}.sources", message)
    if one.rule in {"max", "min"} and one.type not in {None, "number", "time"}:
        raise RulesError(f"{where}.type", f"'{one.rule}' is of numbers or times")
    if one.rule == "union" and one.type not in {None, "list"}:
        raise RulesError(f"{where}.type", "'union' makes a list")
    if len(one.description) > MAX_DESCRIPTION or "\0" in one.description:
        message = f"at most {MAX_DESCRIPTION:,} characters, and no NUL"
        raise RulesError(f"{where}.description", message)


class TraitJudge:
    """Trait rules as they are applied."""

    def __init__(self, declared: TraitRules | None = None) -> None:
        self.declared = declared or TraitRules()

    def weighed(
        self, said: Mapping[str, msgspec.Raw], stamp: Stamp, *, once: bool = False
    ) -> dict[str, Trait]:
        """What an event says of traits, as it counts; `once`: where nothing else was said."""
        if stamp.source == OWN_SOURCE:
            return {name: Trait(value, stamp, _OWN) for name, value in said.items()}
        rules = self.declared.traits
        if not rules and not once:
            return {name: Trait(value, stamp) for name, value in said.items()}
        found = {}
        for name, value in said.items():
            rule = rules.get(name)
            weighed = Trait(value, stamp) if rule is None else _weighed(rule, value, stamp)
            if weighed is not None:
                found[name] = weighed if not once else _if_nothing_else(weighed)
        return found

    def typed(self, name: str, value: msgspec.Raw) -> msgspec.Raw | None:
        """A value as the trait has it, null as it is; None when it is none, or is not kept."""
        rule = self.declared.traits.get(name)
        if rule is None or (rule.rule != "removed" and bytes(value) == _NULL):
            return value
        if rule.rule == "removed":
            return None
        return value if rule.type is None else as_type(value, rule.type)

    def anew(self, name: str, known: Trait) -> Trait | None:
        """A trait that was weighed by other rules, as far as it is known."""
        rule = self.declared.traits.get(name)
        if known.rank == _OWN:
            return known
        if known.rank == _ONCE:
            return None if rule is not None and rule.rule == "removed" else known
        if rule is None:
            return Trait(known.value, known.stamp)
        if rule.rule == "union" and known.rank is not None and known.rank.items is not None:
            return known
        return _weighed(rule, known.value, known.stamp)


NO_TRAIT_RULES = TraitJudge()
"""Of every trait the latest value counts."""


def _if_nothing_else(one: Trait) -> Trait:
    """The first of what is said only for the case that nothing else is; a list takes it in."""
    if one.rank is not None and one.rank.items is not None:
        return one
    return Trait(one.value, one.stamp, _ONCE)


def _weighed(rule: TraitRule, value: msgspec.Raw, stamp: Stamp) -> Trait | None:
    """What was said of a trait, by its rule; None when it does not count."""
    if rule.rule == "removed":
        return None
    if bytes(value) == _NULL:
        return _taken_back(rule, value, stamp)
    if rule.rule == "union":
        return _items(value, stamp)
    typed = value if rule.type is None else as_type(value, rule.type)
    if typed is None:
        return None
    if rule.rule == "first":
        return Trait(typed, stamp, _FIRST)
    if rule.rule == "priority":
        return Trait(typed, stamp, _priority(rule, stamp.source))
    if rule.rule == "latest":
        return Trait(typed, stamp)
    size = measure(typed)
    if size is None:
        return None
    return Trait(typed, stamp, Rank(size if rule.rule == "max" else size.copy_negate()))


def _taken_back(rule: TraitRule, null: msgspec.Raw, stamp: Stamp) -> Trait | None:
    """A null takes back what was said before: by the same or a weaker source, or a whole list."""
    if rule.rule == "latest":
        return Trait(null, stamp)
    if rule.rule == "priority":
        return Trait(null, stamp, _priority(rule, stamp.source))
    return listed({}, stamp) if rule.rule == "union" else None


def _priority(rule: TraitRule, source: str) -> Rank | None:
    if source not in rule.sources:
        return None
    return Rank(len(rule.sources) - rule.sources.index(source))


def _items(value: msgspec.Raw, stamp: Stamp) -> Trait | None:
    """The short single values of a list, or one single value; None when there are none."""
    found = value_of(value)
    some = found if isinstance(found, list) else [found]
    texts = (_decimals.encode(one) for one in some if isinstance(one, str | bool | int | Decimal))
    items = {text.decode(): stamp for text in texts if len(text) <= MAX_ITEM}
    return listed(items, None) if items else None


def as_type(value: msgspec.Raw, wanted: Type) -> msgspec.Raw | None:
    """A value as one of this type, if nothing of it gets lost; None when it isn't one."""
    found = value_of(value)
    if wanted == "number" and isinstance(found, str):
        return msgspec.Raw(found.encode()) if _NUMBER.fullmatch(found) else None
    if wanted == "boolean" and isinstance(found, str):
        return msgspec.Raw(found.encode()) if found in {"true", "false"} else None
    if wanted == "text" and _number(found) is not None:
        return msgspec.Raw(b'"%s"' % bytes(value))
    if wanted == "number":
        return None if _number(found) is None else value
    if wanted == "time":
        return value if isinstance(found, str) and _time(found) is not None else None
    return value if isinstance(found, _FORMS[wanted]) else None


def measure(value: msgspec.Raw) -> Decimal | None:
    """A number, or a time in seconds, to be compared; None when it is neither."""
    found = value_of(value)
    number = _number(found)
    if number is not None:
        return number
    at = _time(found) if isinstance(found, str) else None
    return None if at is None else Decimal((at - _EPOCH) // _MICROSECOND) / 1_000_000


def _time(text: str) -> datetime | None:
    """An ISO 8601 date or time; UTC where no offset is told."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _number(found: Any) -> Decimal | None:
    if isinstance(found, Decimal):
        return found
    return Decimal(found) if isinstance(found, int) and not isinstance(found, bool) else None


def value_of(value: msgspec.Raw) -> Any:
    """A value of JSON, a fraction as Decimal; None also for what can be kept and not be read."""
    try:
        return _decoder.decode(value)
    except UNREADABLE:
        return None
