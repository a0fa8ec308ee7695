"""Names of people: given and family name in either order, titles, initials, Chinese names."""

import re
from collections.abc import Iterable

import msgspec

from rapport_profile.domain.duplicates.words import is_chinese, pinyin, plain

_TITLES = """
mr mrs ms miss mx sir madam dr prof professor herr frau fraulein dipl mag mme mlle monsieur madame
sr sra srta senor senora jr ii iii phd md
"""
_TITLE_WORDS = frozenset(_TITLES.split())
_CHINESE_TITLES = re.compile(r"(?:先生|女士|小姐|太太|老师|经理)$")
_COMPOUND = """
欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 夏侯 东方 東方 皇甫 尉迟 公孙 公孫 慕容 令狐 司徒 端木 南宫
"""
_COMPOUNDS = frozenset(_COMPOUND.split())
"""Chinese family names of two characters."""
_SURNAMES = {
    "单": "shan",
    "曾": "zeng",
    "解": "xie",
    "仇": "qiu",
    "区": "ou",
    "查": "zha",
    "盖": "ge",
    "朴": "piao",
    "任": "ren",
    "尉迟": "yuchi",
}
"""Characters that are read otherwise as a family name."""


class Name(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A name in Latin letters where it can be, and as `characters` where it is Chinese."""

    given: str = ""
    family: str = ""
    characters: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.given or self.family)

    @property
    def is_whole(self) -> bool:
        """Whether given and family name are known."""
        return bool(self.given and self.family)


def name_of(full: str, given: str = "", family: str = "") -> Name:
    """A name of what is known: in one text, or given and family name apart."""
    if plain(given) or plain(family):
        return _apart(plain(given), plain(family))
    before, comma, after = full.partition(",")
    if comma and (called := _words(plain(after))):
        return _apart(" ".join(called), " ".join(_words(plain(before))))
    whole = plain(_CHINESE_TITLES.sub("", full.strip()))
    if is_chinese(whole):
        return _chinese(whole.replace(" ", ""))
    words = _words(whole)
    if not words:
        return Name()
    if len(words) > 1:
        return Name(" ".join(words[:-1]), words[-1])
    # Behind a title stands a family name.
    return Name("", words[0]) if words[0] != whole else Name(words[0])


def _apart(given: str, family: str) -> Name:
    if is_chinese(family):
        return _read(family.replace(" ", ""), given.replace(" ", "") if is_chinese(given) else "")
    if is_chinese(given):
        return _chinese(given.replace(" ", ""))
    return Name(" ".join(_words(given)), " ".join(_words(family)))


def _chinese(whole: str) -> Name:
    """The family name comes first; one character alone is a given name."""
    if len(whole) == 1:
        return Name(pinyin(whole), "", whole)
    at = 2 if whole[:2] in _COMPOUNDS and len(whole) > 2 else 1  # noqa: PLR2004 - two characters
    return _read(whole[:at], whole[at:])


def _read(family: str, given: str) -> Name:
    return Name(pinyin(given), _SURNAMES.get(family) or pinyin(family), family + given)


def _words(text: str) -> list[str]:
    """Without titles, unless it is made of them alone: `Don` is somebody's name."""
    words = text.split()
    return [one for one in words if one not in _TITLE_WORDS] or words


def distinct(names: Iterable[Name]) -> tuple[Name, ...]:
    """The names that say something, each once, in a fixed order."""
    return tuple(
        sorted(
            {one for one in names if not one.is_empty},
            key=lambda one: (one.given, one.family, one.characters),
        )
    )
