"""What rules ask of a person: facts, a JSON document per section, the same for both evaluators."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.contact import normal_email
from rapport_common.events.profile import ComputedState, DefinedValue, IdentifierState
from rapport_common.lazy import lazy
from rapport_segment.domain.group_rows import groups_told
from rapport_segment.domain.permissions import places_by_channel, words_by_channel
from rapport_segment.domain.rolls import NO_ROLL, Roll
from rapport_segment.domain.values import EMAIL, instant, normal_text

if TYPE_CHECKING:
    from rapport_segment.domain.happenings import Happenings

MAX_EXPONENT = 400
REVENUE = "revenue"
GROUPS = "groups"
"""The trait by which profile tells in which groups somebody is."""
DEFINED = "defined"
"""Under it stand the traits that a workspace has defined, by their names."""
_MOMENTS = ("first_order_at", "last_order_at", "first_seen_at", "last_seen_at")
# What Postgres' jsonb may refuse: numbers of absurd size.
_HUGE = re.compile(rb"[eE][+-]?\d{3}")
_LONG = re.compile(rb"\d{400}")
_LONG_BYTES = 400
# From the hyphen on: a pattern with a fixed beginning is looked for several times faster.
_INSTANT = re.compile(rb"-\d\d[Tt ]\d\d:")


IDENTIFIERS, TRAITS, COMPUTED, RESTRAINTS, CONTACT_POINTS, CONSENT = _PLACES = range(6)
"""The places of the sections that rules read; one restraint forbids them all."""

SEGMENTS, LISTS, SCORES = range(len(_PLACES), len(_PLACES) + 3)
"""Behind them, in fields, what no record tells: in which segments somebody is, on which lists, and
what their scores are."""

ANY_KIND = "*"
"""In fields of the identifiers: those of all kinds."""

HAPPENED = SCORES + 1
"""And the events of a name."""

ALL_SECTIONS = (1 << len(_PLACES)) - 1
"""Sets of sections are bits by their places."""

FORBIDDING: Final = frozenset({"processing", "profiling"})
"""Whoever has one of these restraints is in no segment."""


class UnreadSectionError(Exception):
    """A rule asks for a section that is kept, and was not read with the others."""


def anchor_of(kind: str, value: str) -> bytes:
    """What stands for an identifier where events are kept: 16 bytes."""
    return sha256(f"{kind}\0{value}".encode()).digest()[:16]


class Section:
    """What is known of a person, in part: as a record tells it, or as it is kept.

    What rules read, and what is kept, are made when they are asked for: a record that moves a
    counter must not cost the reading of 128 KiB of traits.
    """

    def __init__(
        self, place: int, told: Any = None, text: str | None = None, *, unread: bool = False
    ) -> None:
        self._place = place
        self._told = told
        self._text = text
        self._unread = unread

    @property
    def is_read(self) -> bool:
        """Whether it is here; `value` fails otherwise."""
        return not self._unread

    @lazy
    def value(self) -> dict[str, Any]:
        """What rules read: a fresh dict of the traits, the aggregates, or ids by kind."""
        if self._place == TRAITS and self._told is not None:
            return self._read[1]
        if self._told is not None:
            return _VALUES[self._place](self._told)
        if self._unread:
            raise UnreadSectionError
        if self._text is None:
            return {REVENUE: {}} if self._place == COMPUTED else {}
        return _object.decode(self._text)

    @lazy
    def text(self) -> str:
        """What is kept: JSON that Postgres takes, and that reads as `value`."""
        if self._told is None:
            return self._text or "{}"
        if self._place == TRAITS:
            return self._read[0].decode()
        return _encoder.encode(self.value).decode()

    @lazy
    def anchors(self) -> tuple[bytes, ...]:
        """Of the identifiers: what stands for each, 16 bytes."""
        return tuple(anchor_of(kind, one) for kind, some in self.value.items() for one in some)

    def require_readable(self) -> None:
        """Raise ValueError, RecursionError or MsgspecError for traits that can't be read."""
        if self._place == TRAITS and self._told is not None:
            _ = self._read

    @lazy
    def _read(self) -> tuple[bytes, dict[str, Any]]:
        return _traits(bytes(self._told).strip())


class Facts:
    """What rules can ask about a person.

    `computed`: counts, `revenue` by currency as numbers, instants as fixed-width UTC text, and
    `defined`, the values of the workspace's own, by name. `roll`: the lists that have their
    identifiers, of those that rules name.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        profile_id: str = "",
        roll: Roll = NO_ROLL,
        happened: "Happenings | None" = None,
    ) -> None:
        """`sections` by their places; one that is not given is empty.

        `happened` are the events, as far as they were read.
        """
        self.sections = (*sections, *map(Section, _PLACES[len(sections) :]))
        self.profile_id = profile_id
        self.roll = roll
        self.happened = happened
        self.scores: Mapping[str, Any] = {}

    @lazy
    def identifiers(self) -> dict[str, list[str]]:
        """All ids by kind."""
        return self.sections[IDENTIFIERS].value

    @lazy
    def traits(self) -> dict[str, Any]:
        """Values by name."""
        return self.sections[TRAITS].value

    @lazy
    def computed(self) -> dict[str, Any]:
        """Aggregates by name."""
        return self.sections[COMPUTED].value

    @lazy
    def contact_points(self) -> dict[str, Any]:
        """Where somebody is reached, by channel: `all` such places, and those `verified`."""
        return self.sections[CONTACT_POINTS].value

    @lazy
    def consent(self) -> dict[str, Any]:
        """Words on consents by channel and purpose, see `domain.permissions`."""
        return self.sections[CONSENT].value

    @lazy
    def restraints(self) -> dict[str, Any]:
        """What is not to be done with the person's data."""
        return self.sections[RESTRAINTS].value

    @lazy
    def groups(self) -> "Mapping[str, Sequence[Facts]]":
        """Groups by kind, each with its traits where a person's stand."""
        told = groups_told(self.traits.get(GROUPS))
        return {kind: [of_traits(one) for one in some] for kind, some in told.items()}

    @lazy
    def judged(self) -> bool:
        """Whether the person may be judged by rules: putting people in segments is profiling."""
        return FORBIDDING.isdisjoint(self.restraints)

    def overlaid(self, news: Mapping[int, Section]) -> "Facts":
        """The same with other sections, by their places."""
        laid = [news.get(place, one) for place, one in enumerate(self.sections)]
        return Facts(laid, self.profile_id, self.roll, self.happened).scored(self.scores)

    def listed(self, roll: Roll) -> "Facts":
        """The same with what is on lists."""
        return Facts(self.sections, self.profile_id, roll, self.happened).scored(self.scores)

    def beside(self, happened: "Happenings | None") -> "Facts":
        """The same with these events."""
        return Facts(self.sections, self.profile_id, self.roll, happened).scored(self.scores)

    def scored(self, scores: Mapping[str, Any]) -> "Facts":
        """These, which are the caller's own, with what the person's scores are, by name."""
        self.scores = scores
        return self


def spread(computed: Mapping[str, Any]) -> dict[str, Any]:
    """Aggregates by name, the workspace's own among them."""
    own = computed.get(DEFINED)
    if not own:
        return dict(computed)
    return {**computed, **{f"{DEFINED}.{name}": value for name, value in own.items()}}


def stored(
    texts: Sequence[str | None],
    versions: Sequence[int] = (1,) * len(_PLACES),
    profile_id: str = "",
) -> Facts:
    """The facts as they are kept, by section; None is what was not read, or of version 0."""
    return Facts(
        [
            _UNREAD[place] if text is None and versions[place] > 0 else Section(place, text=text)
            for place, text in enumerate(texts)
        ],
        profile_id,
    )


# Nothing can be read of them, so one serves all.
_UNREAD = [Section(place, unread=True) for place in _PLACES]
NOT_READ = (None,) * len(_PLACES)
NO_FACTS = stored(NOT_READ, (0,) * len(_PLACES))


def nobody(profile_id: str, roll: Roll = NO_ROLL) -> Facts:
    """Of an id of which nothing is known."""
    return Facts((), profile_id, roll)


def of_traits(traits: dict[str, Any]) -> Facts:
    """Of something that has traits, and nothing else."""
    facts = Facts(())
    facts.__dict__["traits"] = traits
    return facts


def identifiers_told(told: Iterable[IdentifierState]) -> dict[str, list[str]]:
    """All ids by kind, as a record tells them."""
    return _identifiers(told)


# Numbers stay exact: as floats, two values that Postgres tells apart could be one here.
_object = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_exact = msgspec.json.Decoder(float_hook=Decimal)


def exact(document: str | bytes) -> Any:
    """Decoded JSON whose numbers are ints and Decimals, never floats."""
    return _exact.decode(document)


def _identifiers(told: Iterable[IdentifierState]) -> dict[str, list[str]]:
    identifiers: dict[str, list[str]] = {}
    for one in told:
        identifiers.setdefault(storable(one.kind), []).append(storable(one.value))
    return identifiers


def _traits(raw: bytes) -> tuple[bytes, dict[str, Any]]:
    if _is_plain(raw):
        try:
            traits = _object.decode(raw)
        except UNREADABLE:
            pass  # Bytes that are not UTF-8, or traits that are no object.
        else:
            address = traits.get(EMAIL)
            if address is None or _addresses(address) == address:
                return raw, traits
    document = json.loads(raw.decode("utf-8", "replace"), parse_float=_number, parse_int=_integer)
    cleaned = _clean(document) if isinstance(document, dict) else {}
    if EMAIL in cleaned:
        cleaned[EMAIL] = _addresses(cleaned[EMAIL])
    return _encoder.encode(cleaned), cleaned


def _addresses(value: Any) -> Any:
    """The trait `email` as addresses are kept, one or a list of them; what is none stays."""
    if type(value) is str:
        return normal_email(value)
    if type(value) is list:
        return [normal_email(one) if type(one) is str else one for one in value]
    return value


def _is_plain(raw: bytes) -> bool:
    """Whether nothing in it is written in another form than the one in which it is kept.

    Escaped letters, instants and what Postgres can't store take the slow way.
    """
    if b"\\u" in raw or _HUGE.search(raw) or _INSTANT.search(raw):
        return False
    if len(raw) >= _LONG_BYTES and _LONG.search(raw):
        return False
    return raw.isascii() or unicodedata.is_normalized("NFC", raw.decode("utf-8", "replace"))


def _computed(state: ComputedState) -> dict[str, Any]:
    computed: dict[str, Any] = {
        "events": state.events,
        "orders": state.orders,
        "open_cases": state.open_cases,
        REVENUE: _amounts(state.revenue),
    }
    for name in _MOMENTS:
        told = instant(getattr(state, name))
        if told is not None:
            computed[name] = told
    if state.defined:
        values = {name: _defined(one) for name, one in state.defined.items()}
        computed[DEFINED] = {name: one for name, one in values.items() if one is not None}
    return computed


def _defined(one: DefinedValue) -> Any:
    """A number, one by currency, an instant, a text or a list of texts; None: there is none."""
    if one.number is not None:
        return _number(one.number)
    if one.money is not None:
        return _amounts(one.money)
    if one.values is not None:
        return [normal_text(storable(text)) for text in one.values]
    if one.text is not None:
        return normal_text(storable(one.text))
    return instant(one.time)


def _amounts(revenue: dict[str, str]) -> dict[str, Decimal]:
    amounts: dict[str, Decimal] = {}
    for currency, amount in revenue.items():
        number = _number(amount)
        if number is not None:
            amounts[storable(currency)] = number
    return amounts


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return normal_text(storable(value))
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if isinstance(value, dict):
        return {normal_text(storable(key)): _clean(one) for key, one in value.items()}
    return value


def storable(text: str) -> str:
    """A text as Postgres takes it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _number(text: str) -> Decimal | None:
    """The number, or None (which counts as missing) when it is too large to be meant."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= MAX_EXPONENT else None


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= MAX_EXPONENT else None


_VALUES: dict[int, Callable[[Any], dict[str, Any]]] = {
    IDENTIFIERS: _identifiers,
    COMPUTED: _computed,
    RESTRAINTS: lambda told: dict.fromkeys(told, True),
    CONTACT_POINTS: places_by_channel,
    CONSENT: words_by_channel,
}
