"""Which language a reader wants, and what is written in it."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

from babel.core import Locale
from babel.dates import format_date
from babel.messages.pofile import read_po

DEFAULT = "en"
LANGUAGES = ("en", "de", "zh_Hans", "ar")
"""What the pages are written in; texts of the source are English."""

MAX_HEADER = 300
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?))?\s*"
)
_BY_TAG = {one.lower(): one for one in LANGUAGES} | {"zh": "zh_Hans"}


@lru_cache(maxsize=1024)
def wanted(accepted: str) -> tuple[str, ...]:
    """The tags of an Accept-Language header (RFC 9110, 12.5.4), what is wanted most first."""
    found = []
    for place, part in enumerate(accepted[:MAX_HEADER].split(",")):
        match = _RANGE.fullmatch(part)
        weight = float(match[2] or 1) if match else 0.0
        if match and weight > 0:
            found.append((-weight, place, match[1]))
    return tuple(tag for *_, tag in sorted(found))


@lru_cache(maxsize=1024)
def language_of(accepted: str) -> str:
    """The language for an Accept-Language header; English when in doubt.

    A tag that the pages are not written in is shortened from its end (RFC 4647, 3.4).
    """
    for told in wanted(accepted):
        parts = told.replace("-", "_").lower().split("_")
        for length in range(len(parts), 0, -1):
            language = _BY_TAG.get("_".join(parts[:length]))
            if language is not None:
                return language
    return DEFAULT


def tag(language: str) -> str:
    """The language as HTML's `lang` names it (BCP 47)."""
    return language.replace("_", "-")


def own_name(language: str) -> str:
    """A language's name as it writes it itself."""
    found = Locale.parse(language)
    return str(found.get_display_name(found))


def direction(language: str) -> str:
    """`ltr` or `rtl`."""
    return str(Locale.parse(language).text_direction)


def in_words(day: date, language: str) -> str:
    """A date as people of that language write it."""
    return str(format_date(day, format="long", locale=language))


class Catalogue:
    """The translations of one or several packages into one language."""

    def __init__(self, language: str, folders: Sequence[Path]) -> None:
        self._texts: dict[str, str] = {}
        for folder in folders:
            self._texts.update(read(folder / f"{language}.po") if language != DEFAULT else {})

    def gettext(self, text: str) -> str:
        """The text in this language, or as it is."""
        return self._texts.get(text, text)


def read(path: Path) -> Mapping[str, str]:
    """The translated texts of a .po file; fuzzy ones do not count."""
    with path.open("rb") as file:
        catalogue = read_po(file)
    return {
        str(one.id): str(one.string) for one in catalogue if one.id and one.string and not one.fuzzy
    }
