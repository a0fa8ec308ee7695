"""What of a person can be searched: names, contact points, identifiers and chosen traits."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from rapport_common.events.codec import UNREADABLE
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, Identifier
from rapport_common.events.kinds import rank
from rapport_common.paths import inner_value, names_of
from rapport_profile.domain import search_words as words
from rapport_profile.domain.pinyin import initials, pinyin_of
from rapport_profile.domain.published import Summary
from rapport_profile.domain.traits import Trait

NAMES, POINTS, IDENTIFIERS, TRAITS = range(4)
"""The order in which what is found in them is shown, where it fits equally well."""

NAME_TRAITS: Final = frozenset(
    (
        *("name", "firstname", "lastname", "fullname", "middlename", "givenname", "familyname"),
        *("surname", "nickname", "displayname", "username"),
    )
)
"""Without case, `_` and `$`: `first_name`, `firstName` and `$first_name` are one."""

CODES: Final = frozenset((ANONYMOUS_ID, "device_id", "wechat_openid", "wechat_unionid"))
"""Kinds of identifiers that nobody reads: found by the whole, and by their beginnings."""

MOST_LETTERS = 2_000
"""Of a person, in all; what comes later in the order of the groups is not searched."""

LONGEST = 200
"""Letters of a value."""

_text = msgspec.json.Decoder(str)
_any = msgspec.json.Decoder()


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One thing by which a person is found.

    `spelt` are the ways to write it, as words with spaces between; `short` what is known by its
    beginning only; `loose`: one letter of a word may be wrong.
    """

    group: int
    field: str
    value: str
    spelt: list[str]
    short: list[str] = []
    loose: bool = False


def entries_of(summary: Summary, chosen: Collection[str] = ()) -> list[Entry]:
    """What is searched of a person; `chosen` are the traits besides names, paths with dots."""
    found: list[Entry] = []
    left = MOST_LETTERS
    for one in _all(summary, chosen):
        letters = sum(map(len, one.spelt)) + sum(map(len, one.short))
        if letters and letters <= left:
            found.append(one)
            left -= letters
    return found


def keys_of(workspace: str, entries: Iterable[Entry]) -> list[int]:
    """The keys by which these are found, see `search_words`."""
    found: set[str] = set()
    for one in entries:
        for text in one.spelt:
            _add_keys(found, text.split(), loose=one.loose)
        for word in one.short:
            found.add(words.whole(word))
            found.update(words.beginnings(word))
    return words.numbers(workspace, found)


def _add_keys(found: set[str], parts: Sequence[str], *, loose: bool) -> None:
    word = words.joined(parts)
    found.update(words.inside(word))
    for part in {*parts, word}:
        found.add(words.whole(part))
        found.update(words.beginnings(part))
    if loose:
        for part in filter(words.may_be_misspelt, parts):
            found.update(words.misspellings(part))


def _all(summary: Summary, chosen: Collection[str]) -> Iterator[Entry]:
    traits = summary.fold.known_traits()
    yield from _names(traits)
    points = {(one.channel, one.value) for one in summary.fold.contact_points()}
    for channel, value in sorted(points):
        field = f"contact_points.{channel}"
        yield _entry(POINTS, field, value, loose=channel == EMAIL)
    told = {value for _channel, value in points}
    names = sorted((kind, value) for kind, value, _at in summary.named if value not in told)
    for kind, value in sorted(names, key=_strength):
        yield _identifier(kind, value)
    for path in sorted(chosen):
        text = _at_path(traits, path)
        if text:
            yield _entry(TRAITS, f"traits.{path}", text, loose=True)


def _strength(identifier: Identifier) -> tuple[bool, Any, Identifier]:
    kind = identifier[0]
    return (kind in CODES, rank(kind), identifier)


def _names(traits: Mapping[str, Trait]) -> Iterator[Entry]:
    found: dict[str, tuple[str, str]] = {}
    for name in sorted(traits):
        plain = name.lower().replace("_", "").lstrip("$")
        text = _text_of(traits[name]) if plain in NAME_TRAITS else None
        if text:
            found[plain] = (name, text)
    first = found.get("firstname") or found.get("givenname")
    last = found.get("lastname") or found.get("familyname") or found.get("surname")
    if first and last:
        yield _entry(NAMES, "name", _full(first[1], last[1]), is_name=True, loose=True)
    for plain in sorted(found):
        name, text = found[plain]
        yield _entry(NAMES, f"traits.{name}", text, is_name=True, loose=True)


def _full(first: str, last: str) -> str:
    """Both names, in the order in which they are written."""
    chinese = all(map(words.by_character, first + last))
    return last + first if chinese else f"{first} {last}"


def _identifier(kind: str, value: str) -> Entry:
    field = f"identifiers.{kind}"
    if kind in CODES:
        return Entry(IDENTIFIERS, field, value[:LONGEST], [], [_joined(value)])
    return _entry(IDENTIFIERS, field, value, loose=kind == EMAIL)


def _entry(
    group: int, field: str, value: str, *, is_name: bool = False, loose: bool = False
) -> Entry:
    value = value.strip()[:LONGEST]
    spelt = [" ".join(words.words_of(value))]
    short: list[str] = []
    if is_name and not value.isascii():
        for syllables in pinyin_of(value):
            spelt += [" ".join(syllables), "".join(syllables)]
            short.append(initials(syllables))
    return Entry(
        group,
        field,
        value,
        [one for one in dict.fromkeys(spelt) if one],
        [one for one in dict.fromkeys(short) if one],
        loose,
    )


def _joined(value: str) -> str:
    return words.joined(words.words_of(value[:LONGEST]))


def _text_of(trait: Trait) -> str | None:
    try:
        return _text.decode(trait.value)
    except UNREADABLE:
        return None


def _at_path(traits: Mapping[str, Trait], path: str) -> str | None:
    """The text at a path: a trait of that name, or what is in one under the names behind it."""
    if path in traits:
        return _text_of(traits[path])
    name, *inner = names_of(path)
    if name not in traits:
        return None
    try:
        value = inner_value(_any.decode(traits[name].value), inner)
    except UNREADABLE:
        return None
    return value if isinstance(value, str) else None
