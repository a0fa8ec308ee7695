"""Who is to be forgotten, and whether a text speaks of them (pure)."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from urllib.parse import unquote_plus

import msgspec

from rapport_common.events.envelope import EMAIL, identifier_digest
from rapport_common.events.kinds import PHONE, normal_value

Text = str | bytes | None

MOST_READ = 2 * 1024 * 1024
"""Characters of one text that are looked at: no record and no body is longer."""

# One that does not end is taken to where it stops: or each quote in it is a start as costly.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"?')
_WORD = re.compile(r"""[^\s,;&=?|<>"'()\[\]{}\\]+""")
# Strings and numbers of JSON, and what ends a list or an object; strings that do not end as above.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|-?[0-9][0-9.]*+|[{}\]]')
_PARAMETER = re.compile(r"""(?<![\w.\[\]-])([\w.\[\]-]{1,64}+)=([^&\s"']{1,200}+)""")
_PERSONS = frozenset(
    {
        *("userid", "uid", "user", "customerid", "customer", "clientid", "memberid", "member"),
        *("distinctid", "previousid", "alias", "anonymousid", "deviceid", "accountid"),
        *("contactid", "personid", "externalid", "profileid"),
    }
)
"""How fields of persons' ids are called, or end, besides the kinds of identifiers."""
_EDGES = ".:!/*#-_~`"
# A number with its country as people write it.
_NUMBER = re.compile(r"(?<![\w.])(?:\+|00)\d[\d ()/-]{5,18}\d(?!\w|\.\d)")
MIN_DIGITS = 6
MIN_TELLING, LONG, LONGEST_NAME = 6, 16, 64
COVERED = "[erased]"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A person of a workspace, by what stands for them.

    `subjects` are HMACs of identifiers (32 hexadecimal digits), `kinds` those of the identifiers,
    `profiles` profile ids. What was received before `at` is to go.
    """

    workspace: str
    request_id: str
    profile_id: str
    subjects: frozenset[str]
    kinds: frozenset[str]
    profiles: frozenset[str]
    at: datetime


class Recogniser:
    """Tells whether a text speaks of somebody of whom only HMACs and profile ids are known."""

    def __init__(self, key: bytes | None) -> None:
        """`key`: the installation's identity key; without one only profile ids are known again."""
        self._key = key

    def is_named(self, who: Subject, kind: str, value: str | None) -> bool:
        """Whether an identifier is one of the person's, in whatever form it is written."""
        if self._key is None or not value or kind not in who.kinds:
            return False
        return any(self._stands(who, kind, form) for form in _forms(kind, value))

    def speaks_of(self, who: Subject, *texts: Text) -> bool:
        """Whether any of the texts, JSON or not, holds an identifier or a profile id of theirs.

        An id that may as well be a plain word or a number, such as `42`, counts where its field is
        said to be somebody's: `"user_id": 42` speaks of the customer, `"quantity": 42` does not.
        """
        return any(self._is_in(who, _text(one)) for one in texts if one)

    def is_mentioned(self, who: Subject, *texts: Text) -> bool:
        """Whether what people wrote speaks of the person: plain words and short numbers are what
        they say. The customer `42` is not meant by "42 euros", nor is `may` by "it may come".
        """
        return any(self._is_said(who, _text(one)) for one in texts if one)

    def _is_said(self, who: Subject, text: str) -> bool:
        if any(one in text for one in who.profiles):
            return True
        return any(
            is_telling(word) and self.is_named(who, kind, word)
            for word in {*_words(text), *_NUMBER.findall(text)}
            for kind in who.kinds
        )

    def without(self, who: Subject, text: str) -> str:
        """What people wrote, with what stands for the person taken out: `COVERED` is there then.

        Nothing of the text stays if that is not enough, such as where an address is in a link.
        """
        said = text[:MOST_READ]
        for one in who.profiles:
            said = said.replace(one, COVERED)

        def shown(found: re.Match[str]) -> str:
            core = found[0].strip(_EDGES)
            meant = any(
                is_telling(one) and self.is_named(who, kind, one)
                for one in (found[0], core)
                for kind in who.kinds
            )
            return found[0].replace(core, COVERED) if meant and core else found[0]

        said = _WORD.sub(shown, _NUMBER.sub(shown, said))
        return "" if self.is_mentioned(who, said) else said

    def _is_in(self, who: Subject, text: str) -> bool:
        if any(one in text for one in who.profiles):
            return True
        if self._key is None or not who.subjects:
            return False
        words = {one for one in _words(text) if is_telling(one)} | set(_named(text, who.kinds))
        return any(
            self._stands(who, kind, form)
            for word in words
            for kind in who.kinds
            for form in _forms(kind, word)
        )

    def _stands(self, who: Subject, kind: str, form: str) -> bool:
        if self._key is None:
            return False
        return identifier_digest(self._key, who.workspace, (kind, form)).hex() in who.subjects


def is_telling(word: str) -> bool:
    """Whether a word among others can hardly be anything but an id: it has an @, or digits and some
    length, or it is longer than words are.
    """
    has_digits = any(one.isdigit() for one in word)
    return "@" in word or len(word) >= (MIN_TELLING if has_digits else LONG)


def _text(given: str | bytes) -> str:
    text = given if isinstance(given, str) else bytes(given).decode("utf-8", "replace")
    return text[:MOST_READ]


def _words(text: str) -> set[str]:
    """What could be an identifier: strings of JSON, what stands between blanks and signs."""
    found = set(_pieces(text))
    if "%" in text or "+" in text:
        found |= set(_pieces(unquote_plus(text)))
    return found


def _named(text: str, kinds: Collection[str]) -> Iterator[str]:
    """What stands in fields of persons' ids: of JSON, of JSON in JSON, and of addresses."""
    persons = tuple(_PERSONS | {_bare(one) for one in kinds})
    inner = (_string(one[0]) for one in _QUOTED.finditer(text) if "\\" in one[0])
    for said in (text, *inner):
        for name, value in (*_fields(said), *_PARAMETER.findall(said)):
            if _bare(name).endswith(persons):
                yield unquote_plus(value)
                yield value


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Each string or number with the string before it: of an object its name, of a list perhaps."""
    name = ""
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece in "{}]":
            name = ""
            continue
        if 0 < len(name) <= LONGEST_NAME:
            yield _string(name), _string(piece)
        name = piece if piece.startswith('"') else ""


def _bare(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())


def _pieces(text: str) -> Iterator[str]:
    for match in _QUOTED.finditer(text):
        yield from _strings(match[0])
    for match in _WORD.finditer(text):
        yield match[0]
        yield match[0].strip(_EDGES)


def _string(quoted: str) -> str:
    if not quoted.startswith('"'):
        return quoted
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        return quoted[1:-1]


def _strings(quoted: str) -> Iterator[str]:
    string = _string(quoted)
    yield string
    if '"' in string:
        # A text in a text: JSON that was put into JSON.
        yield from (match[1] for match in _QUOTED.finditer(string))
    if " " in string or "\\" in quoted:
        yield from (match[0].strip(_EDGES) for match in _WORD.finditer(string))


def _forms(kind: str, word: str) -> Iterable[str]:
    """The normal forms that a word could have as an identifier of a kind."""
    if kind == EMAIL:
        if "@" not in word:
            return ()
        normal = normal_value(kind, word)
        return (word,) if normal is None else (normal,)
    if kind == PHONE:
        digits = sum(one.isdigit() for one in word)
        if digits < MIN_DIGITS:
            return ()
        normal = normal_value(kind, word)
        bare = normal_value(kind, f"+{word.strip()}") if normal is None else normal
        return () if bare is None else (bare,)
    normal = normal_value(kind, word)
    return () if normal is None else (normal,)
