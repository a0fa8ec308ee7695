"""Reads the comparisons of a rule: a subject, an operator, and mostly a value."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from rapport_common.events.consent import (
    ANY_PURPOSE,
    PROMOTION,
    is_channel,
    is_purpose,
    normal_channel,
    normal_purpose,
)
from rapport_common.events.contact import ANY_CHANNEL, BY_PHONE, EMAIL_CHANNEL
from rapport_common.events.kinds import PHONE
from rapport_common.events.money import normal_currency
from rapport_common.paths import names_of
from rapport_segment.domain import operands
from rapport_segment.domain.naming import kind_called
from rapport_segment.domain.operands import RuleError
from rapport_segment.domain.patterns import require_pattern
from rapport_segment.domain.permissions import STATES
from rapport_segment.domain.rfm import RFM, SCORES
from rapport_segment.domain.sections import REVENUE
from rapport_segment.domain.subjects import (
    PARTS,
    Bucket,
    Compared,
    Computed,
    Consent,
    ContactPoint,
    Defined,
    Identifier,
    InList,
    InSegment,
    Of,
    Plain,
    Reachable,
    Score,
    Trait,
)
from rapport_segment.domain.tree import IS, TIME, Leaf, Operand
from rapport_segment.domain.values import EMAIL, Scalar, normal_beginning, normal_text
from rapport_segment.domain.windows import anniversary, beside_now, window

MAX_LIST = 1000

PRESENCE = frozenset({"exists", "not_exists"})
EQUALITY = frozenset({"eq", "ne", "in"})
ORDER = frozenset({"gt", "gte", "lt", "lte"})
TEXT = frozenset({"contains", "starts_with"})
MATCHES = "matches"
OF = ("any", "all", "none", "size")

COUNTS = ("events", "orders", "open_cases")
INSTANTS = ("first_order_at", "last_order_at", "first_seen_at", "last_seen_at")
_DEFINED = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SEPARATORS = re.compile(r"[\s_-]")
_PHONES = frozenset(
    {"phone", "phonenumber", "mobile", "mobilenumber", "mobilephone", "telephone", "tel"}
    | {"cellphone", "msisdn"}
)
"""Traits whose operands are phone numbers, without `_` and in lower case."""

Document = Mapping[str, Any]


def leaf(document: Document, path: str) -> Leaf:
    """A comparison; RuleError says what is wrong and where."""
    key = _key(document, path)
    if key in _PLAIN:
        return Leaf(path, _PLAIN[key](document, path), IS, None)
    subject = _SUBJECTS[key](document, path)
    of = _of(document, path)
    op = _op(document, path, subject, of)
    place = _below(path, "value")
    if op in PRESENCE:
        if "value" in document:
            raise RuleError(place, f"{op} takes no value")
        return Leaf(path, subject, op, None)
    if "value" not in document:
        raise RuleError(place, f"{op} needs a value")
    return Leaf(path, subject, op, _operand(document["value"], place, subject, op, of), of)


def _key(document: Document, path: str) -> str:
    named = [key for key in SUBJECTS if key in document]
    if len(named) != 1:
        raise RuleError(path, f"needs one of: and, or, not, {', '.join(SUBJECTS)}; and only one")
    [key] = named
    allowed = {key, *_BESIDE.get(key, ())}
    if key not in _PLAIN:
        allowed |= {"op", "value"}
    if key == "computed" and document[key] == REVENUE:
        allowed |= {"currency"}
    refuse_others(document, path, allowed)
    if not _name(document, path, key):
        raise RuleError(_below(path, key), "must not be empty")
    return key


def _name(document: Document, path: str, key: str) -> str:
    return operands.text(document[key], _below(path, key))


def _trait(document: Document, path: str) -> Trait:
    name = _name(document, path, "trait")
    return Trait(name, tuple(map(normal_text, names_of(name))))


def _identifier(document: Document, path: str) -> Identifier:
    """`userId`, `user-id` and `User ID` are `user_id`."""
    kind = kind_called(_name(document, path, "identifier"))
    if not kind:
        raise RuleError(_below(path, "identifier"), "must not be blank")
    return Identifier(kind)


def _defined(document: Document, path: str) -> Defined:
    name = _name(document, path, "defined")
    if not _DEFINED.fullmatch(name):
        raise RuleError(_below(path, "defined"), "is the name of a computed trait: a-z, 0-9, '_'")
    if "currency" not in document:
        return Defined(name)
    currency = normal_currency(document["currency"])
    if currency is None:
        raise RuleError(_below(path, "currency"), "must be one of ISO 4217, such as USD")
    return Defined(name, currency)


def _computed(document: Document, path: str) -> Computed:
    name = _name(document, path, "computed")
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


def _contact_point(document: Document, path: str) -> ContactPoint:
    verified = document.get("verified", False)
    if not isinstance(verified, bool):
        raise RuleError(_below(path, "verified"), "must be true or false")
    return ContactPoint(_channel(document, path, "contact_point"), verified)


def _consent(document: Document, path: str) -> Consent:
    return Consent(_channel(document, path, "consent"), _purpose(document, path))


def _reachable(document: Document, path: str) -> Reachable:
    return Reachable(_channel(document, path, "reachable"), _purpose(document, path))


def _channel(document: Document, path: str, key: str) -> str:
    channel = normal_channel(operands.as_written(document[key], _below(path, key))) or ""
    if not is_channel(channel) or channel == ANY_CHANNEL:
        raise RuleError(_below(path, key), "must be one channel, such as email or sms, or x_yours")
    return channel


def _purpose(document: Document, path: str) -> str:
    place = _below(path, "purpose")
    purpose = normal_purpose(operands.as_written(document.get("purpose", PROMOTION), place)) or ""
    if not is_purpose(purpose) or purpose == ANY_PURPOSE:
        raise RuleError(place, "must be one purpose, such as promotion or survey, or x_yours")
    return purpose


def _bucket(document: Document, path: str) -> Bucket:
    salt = _name(document, path, "bucket")
    first, behind = (_percent(document, path, key) for key in ("from", "to"))
    if first >= behind:
        raise RuleError(_below(path, "to"), "must be more than from")
    return Bucket(salt, first, behind)


def _percent(document: Document, path: str, key: str) -> int:
    place = _below(path, key)
    parts = Decimal(operands.count(document.get(key, 0 if key == "from" else None), place)) * 100
    if parts != int(parts) or not 0 <= parts <= PARTS:
        raise RuleError(place, "must be a percentage from 0 to 100, with two decimals at most")
    return int(parts)


def _in_segment(document: Document, path: str) -> InSegment:
    return InSegment(_id_of(document, path, "segment"))


def _in_list(document: Document, path: str) -> InList:
    return InList(_id_of(document, path, "list"))


def _id_of(document: Document, path: str, key: str) -> str:
    try:
        return str(UUID(_name(document, path, key)))
    except ValueError:
        raise RuleError(_below(path, key), f"must be the id of a {key}") from None


def _score(document: Document, path: str) -> Score:
    name = _name(document, path, "score")
    if not _DEFINED.fullmatch(name):
        raise RuleError(_below(path, "score"), "is the name of a score: a-z, 0-9, '_'")
    if name.startswith(RFM) and name not in SCORES:
        raise RuleError(_below(path, "score"), f"is none of: {', '.join(SCORES)}")
    return Score(name)


_PLAIN: dict[str, Callable[[Document, str], Plain]] = {
    "reachable": _reachable,
    "bucket": _bucket,
    "segment": _in_segment,
    "list": _in_list,
}
_SUBJECTS: dict[str, Callable[[Document, str], Compared]] = {
    "trait": _trait,
    "computed": _computed,
    "defined": _defined,
    "identifier": _identifier,
    "contact_point": _contact_point,
    "consent": _consent,
    "score": _score,
}
SUBJECTS = (*_SUBJECTS, *_PLAIN)
_BESIDE = {
    "trait": ("of",),
    "defined": ("of", "currency"),
    "contact_point": ("verified",),
    "consent": ("purpose",),
    "reachable": ("purpose",),
    "bucket": ("from", "to"),
}
"""What may stand beside a subject, its operator and value."""


def _of(document: Document, path: str) -> Of:
    of = document.get("of", "any")
    if of not in OF:
        raise RuleError(_below(path, "of"), f"must be one of {', '.join(OF)}")
    return of  # type: ignore[no-any-return] # it is one of them


def _op(document: Document, path: str, subject: Compared, of: Of) -> str:
    allowed = EQUALITY | PRESENCE
    if isinstance(subject, Trait | Computed | Defined | Score):
        allowed |= ORDER
    if not isinstance(subject, Computed | Consent | Score):
        allowed |= TEXT
    if isinstance(subject, Trait | Defined) or (
        isinstance(subject, Computed) and subject.name in INSTANTS
    ):
        allowed |= TIME
    if isinstance(subject, Trait | Defined):
        allowed |= {MATCHES}
    kind = _KINDS[type(subject)]
    if of == "size":
        allowed, kind = EQUALITY | ORDER, "a size"
    elif of != "any":
        allowed, kind = (allowed - PRESENCE) - {"ne", "contains"}, f"{of} of a list"
    op = document.get("op")
    if not isinstance(op, str) or op not in allowed:
        raise RuleError(
            _below(path, "op"), f"must be one of {', '.join(sorted(allowed))} for {kind}"
        )
    return op


_KINDS = {
    Trait: "a trait",
    Computed: "a computed value",
    Defined: "a defined trait",
    Identifier: "an identifier",
    ContactPoint: "a contact point",
    Consent: "a consent",
    Score: "a score",
}


def _operand(value: object, path: str, subject: Compared, op: str, of: Of) -> Operand:
    if op == "within":
        return window(value, path)
    if op == "anniversary":
        return anniversary(value, path)
    if op == MATCHES:
        return _pattern(value, path)
    if op in ORDER and isinstance(value, Mapping) and of != "size":
        return _instant_beside_now(value, path, subject)
    convert = operands.count if of == "size" else _converter(subject, op)
    if op == "in":
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
            raise RuleError(path, f"must be a list of 1 to {MAX_LIST} values")
        return tuple(convert(each, f"{path}[{index}]") for index, each in enumerate(value))
    wanted = convert(value, path)
    if op == "starts_with" and not isinstance(wanted, str):
        raise RuleError(path, "must be a string for starts_with")
    if op in ORDER and isinstance(wanted, bool):
        raise RuleError(path, f"must be a number or a string for {op}")
    return wanted


def _pattern(value: object, path: str) -> str:
    # As the texts are that it is held against.
    pattern = unicodedata.normalize("NFC", operands.as_written(value, path))
    require_pattern(pattern, path)
    return pattern


def _instant_beside_now(value: object, path: str, subject: Compared) -> Operand:
    if isinstance(subject, Computed) and subject.name not in INSTANTS:
        raise RuleError(path, f"{subject.name} is a number, and no instant")
    if isinstance(subject, Defined) and subject.currency is not None:
        raise RuleError(path, f"{subject.name} is an amount, and no instant")
    return beside_now(value, path)


def _converter(subject: Compared, op: str) -> Callable[[object, str], Scalar]:
    """Brings an operand into the form in which the facts are kept."""
    match subject:
        case Trait():
            return _of_trait(subject, op)
        case Identifier():
            return _of_place(subject.kind, op)
        case ContactPoint():
            return _of_place(PHONE if subject.channel in BY_PHONE else subject.channel, op)
        case Consent():
            return _state
        case Score():
            return operands.scalar
        case Defined():
            return operands.scalar if subject.currency is None else operands.money
        case _:
            if subject.name == REVENUE:
                return operands.money
            return operands.count if subject.name in COUNTS else operands.moment


def _of_trait(subject: Trait, op: str) -> Callable[[object, str], Scalar]:
    if subject.name == EMAIL:
        return lambda value, path: operands.address_like(operands.scalar(value, path))
    if op == "starts_with":
        return lambda value, path: normal_beginning(operands.as_written(value, path))
    if op in EQUALITY and _SEPARATORS.sub("", subject.names[-1].lower()) in _PHONES:
        return lambda value, path: operands.phone_like(operands.scalar(value, path))
    return operands.scalar


def _of_place(kind: str, op: str) -> Callable[[object, str], Scalar]:
    """Of an identifier of this kind, or a contact point of this channel."""
    if kind == PHONE and op in EQUALITY:
        return operands.number_of_phone
    if kind not in {EMAIL, EMAIL_CHANNEL}:
        return operands.id_text if op in EQUALITY else operands.part_of_id
    return operands.address if op in EQUALITY else operands.part_of_address


def _state(value: object, path: str) -> str:
    if value not in STATES:
        raise RuleError(path, f"must be one of {', '.join(STATES)}")
    return str(value)


def refuse_others(document: Document, path: str, allowed: set[str]) -> None:
    """RuleError for a key that does not belong here."""
    unknown = [key for key in document if key not in allowed]
    if unknown:
        shown = ascii(str(unknown[0])[:40])
        raise RuleError(path, f"has {shown}; here belong {', '.join(sorted(allowed))}")


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
