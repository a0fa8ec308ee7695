"""What of a text names somebody: addresses, numbers, cards. It is shown without them.

Numbers are looked at by their own check digits where they have any, so that the number of an order
stays. Postal addresses are found roughly: by the words that streets have.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from rapport_feedback.domain.texts.looking import HAN, Looked, Place


@dataclass(frozen=True, slots=True)
class Personal:
    """What names somebody: what kind it is, and where it stands in the text as it was written."""

    kind: str
    place: Place


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text in which `[kind]` stands for what names somebody."""

    text: str
    personal: tuple[Personal, ...]


def redacted(original: str, looked: Looked) -> Redacted:
    """The part of a text that was looked at, without what names somebody."""
    found = sorted(_all(looked), key=lambda one: one.place)
    parts, at = [], 0
    for one in found:
        parts += [original[at : one.place.start], f"[{one.kind}]"]
        at = one.place.end
    parts.append(original[at : looked.origins[-1]])
    return Redacted("".join(parts), tuple(found))


def _all(looked: Looked) -> Iterator[Personal]:
    """Each part once: by the first kind that it is of."""
    taken: list[tuple[int, int]] = []
    for kind, pattern, check in _KINDS:
        for match in pattern.finditer(looked.text):
            start = match.start("it")
            end = start + check(match.group("it"))
            if end > start and not any(start < until and end > since for since, until in taken):
                taken.append((start, end))
                yield Personal(kind, looked.place(start, end))


def _digits(text: str) -> str:
    return "".join(one for one in text if one.isdigit())


def _is_card(text: str) -> bool:
    """By Luhn's sum, from 13 digits on."""
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:  # noqa: PLR2004 - ISO/IEC 7812
        return False
    total = 0
    for index, one in enumerate(reversed(digits)):
        value = int(one) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of its two digits
    return total % 10 == 0


def _iban(text: str) -> int:
    """How much of it is one: a word may follow that looks like a part of it."""
    groups = text.split(" ")
    sizes = (len(" ".join(groups[:number])) for number in range(len(groups), 0, -1))
    return next((size for size in sizes if _is_iban(text[:size])), 0)


def _is_iban(text: str) -> bool:
    """By the remainder of 97 (ISO 13616)."""
    iban = "".join(text.split()).upper()
    if not 15 <= len(iban) <= 34:  # noqa: PLR2004 - ISO 13616
        return False
    return int("".join(str(int(one, 36)) for one in iban[4:] + iban[:4])) % 97 == 1


_CHINESE_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _is_chinese_id(text: str) -> bool:
    """By its check character (GB 11643) and the day of birth in it."""
    total = sum(int(one) * weight for one, weight in zip(text, _CHINESE_WEIGHTS, strict=False))
    if "10X98765432"[total % 11] != text[-1].upper():
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return True


_LONG = 9
"""Digits: prices and the numbers of orders are shorter, or have no signs between theirs."""

_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")
_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")


def _is_phone(text: str) -> bool:
    """A number with a prefix, with signs between its digits, or a Chinese mobile's."""
    digits = _digits(text)
    if not 7 <= len(digits) <= 15 or _DATE.match(text):  # noqa: PLR2004 - E.164
        return False
    if _CHINESE_MOBILE.fullmatch(digits):
        return True
    is_long = len(digits) >= _LONG
    is_parted = any(one in text for one in " -()/.")
    return text.startswith(("+", "00")) or (is_long and (is_parted or digits[0] == "0"))


def _whole(is_one: Callable[[str], bool]) -> Callable[[str], int]:
    """All of a text that is one, nothing of another."""
    return lambda text: len(text) if is_one(text) else 0


_STREETS = (
    r"\d{1,5}[a-z]?,? (?:[A-Z][\w'-]* ){1,3}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr"
    r"|Boulevard|Blvd|Way|Court|Ct|Square|Terrace|Close)\b"
    r"|[A-Z\u00c4\u00d6\u00dc][\w-]{1,30}"
    r"(?:straße|strasse|str\.|weg|platz|allee|gasse) ?\d{1,4}[a-z]?\b"
    r"|\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|impasse|all[ée]e) "
    r"(?:[\w'-]+ ?){1,5}"
    r"|(?:[Cc]alle|[Aa]venida|[Pp]laza|[Pp]aseo) (?:[\w'-]+ ){1,4}?(?:n[º°.] ?)?\d{1,4}\b"
    rf"|[{HAN}]{{2,12}}(?:路|街|道|巷|弄|胡同)\d{{1,5}}(?:号|弄)(?:[{HAN}\d-]{{0,12}}(?:室|楼|栋|单元))?"
)
_NAME = "A-Za-z0-9\u00c0-\u024f-"
"""Not Chinese, which is written without a space before an address."""

_KINDS: Sequence[tuple[str, re.Pattern[str], Callable[[str], int]]] = (
    (
        "email",
        re.compile(
            rf"(?P<it>[{_NAME}._+%]{{1,64}}@[{_NAME}]{{1,63}}(?:\.[{_NAME}]{{1,63}}){{1,5}})"
        ),
        len,
    ),
    # Who somebody is stands in what follows the question mark: the page itself stays.
    ("query", re.compile(r"https?://[^\s?#]{1,300}(?P<it>[?#][^\s<>\"]{1,500})"), len),
    ("iban", re.compile(r"\b(?P<it>[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{2,4}){3,8})\b"), _iban),
    (
        "id",
        re.compile(r"(?<![A-Za-z\d])(?P<it>\d{17}[\dXx])(?![A-Za-z\d])"),
        _whole(_is_chinese_id),
    ),
    ("card", re.compile(r"(?<![\d-])(?P<it>\d(?:[ -]?\d){12,18})(?![\d-])"), _whole(_is_card)),
    ("address", re.compile(rf"(?P<it>{_STREETS})"), len),
    (
        "phone",
        re.compile(r"(?<![A-Za-z\d.,-])(?P<it>[+(]?\d[\d ()/.-]{5,20}\d)(?![\d.,]\d|\d)"),
        _whole(_is_phone),
    ),
)
KINDS = tuple(kind for kind, _pattern, _check in _KINDS)
