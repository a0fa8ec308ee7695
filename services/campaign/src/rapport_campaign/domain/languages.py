"""Which language of a template a person gets: lookup of RFC 4647 (3.4), and the way it is written.

Tags are those of BCP 47. A locale of a system (`pt_BR.UTF-8`) is read as one.
"""

import re
from collections.abc import Collection
from typing import Any, Literal

import msgspec

TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_SCRIPT = 4
_REGION = 2
_MOST = 64
# Who says where, and not how it is written: what CLDR (likely subtags) takes for granted.
_LIKELY = {
    "zh-tw": "zh-hant-tw",
    "zh-hk": "zh-hant-hk",
    "zh-mo": "zh-hant-mo",
    "zh-cn": "zh-hans-cn",
    "zh-sg": "zh-hans-sg",
}
_RIGHT_TO_LEFT = frozenset(
    ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"]
)
_RIGHT_TO_LEFT_SCRIPTS = frozenset(
    ["adlm", "arab", "hebr", "mand", "nkoo", "rohg", "samr", "syrc", "thaa"]
)


class _Says(msgspec.Struct):
    """The traits in which people say it; whatever is in them."""

    language: Any = None
    locale: Any = None


_says = msgspec.json.Decoder(_Says)


def spoken_by(traits: bytes | msgspec.Raw) -> str | None:
    """The language that somebody's traits (a JSON object) name: `language`, else `locale`."""
    try:
        found = _says.decode(traits)
    except msgspec.MsgspecError:
        return None
    return language_tag(found.language) or language_tag(found.locale)


def language_tag(text: object) -> str | None:
    """A tag in the spelling of RFC 5646 (2.1.1), such as `zh-Hant-TW`; None for what is none."""
    if not isinstance(text, str) or len(text) > _MOST:
        return None
    bare = re.split(r"[.@]", text.strip(), maxsplit=1)[0].replace("_", "-")
    if not TAG.fullmatch(bare):
        return None
    first, *rest = bare.lower().split("-")
    return "-".join([first, *(_cased(part) for part in rest)])


def lookup(wanted: str | None, having: Collection[str]) -> str | None:
    """The one of `having` that somebody who wants a language gets; None: the default.

    A tag is shortened from its end: zh-Hant-TW, zh-Hant, zh.
    """
    if wanted is None:
        return None
    known = {one.lower(): one for one in having}
    tag = wanted.lower()
    parts = (tag if tag in known else _LIKELY.get(tag, tag)).split("-")
    while parts:
        found = known.get("-".join(parts))
        if found is not None:
            return found
        parts.pop()
    return None


def direction(tag: str) -> Literal["ltr", "rtl"]:
    """How a language is written."""
    first, *rest = tag.lower().split("-")
    scripts = [part for part in rest if len(part) == _SCRIPT and part.isalpha()]
    is_right = scripts[0] in _RIGHT_TO_LEFT_SCRIPTS if scripts else first in _RIGHT_TO_LEFT
    return "rtl" if is_right else "ltr"


def _cased(part: str) -> str:
    if len(part) == _SCRIPT and part.isalpha():
        return part.title()
    return part.upper() if len(part) == _REGION else part
