"""How a text message is cut into segments, after 3GPP TS 23.038 and 23.040, and what it costs.

What fits into the alphabet of GSM has 7 bits a letter: 160 letters, or 153 in each part of several.
One letter outside it makes all of them 16 bits wide (UCS-2): 70, or 67. Letters of the extension
table take two places, those outside of the basic plane of Unicode two of 16 bits; neither is cut
in two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Encoding = Literal["gsm7", "ucs2"]

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")

_WHOLE: Mapping[Encoding, int] = {"gsm7": 160, "ucs2": 70}
_PART: Mapping[Encoding, int] = {"gsm7": 153, "ucs2": 67}
MOST_FORCING = 20


@dataclass(frozen=True, slots=True)
class Measure:
    """`units` are septets (`gsm7`) or 16-bit units (`ucs2`); `forcing` are the letters that are not
    in the alphabet of GSM, each once, the first twenty.
    """

    encoding: Encoding
    units: int
    segments: int
    forcing: tuple[str, ...] = ()

    @property
    def room(self) -> int:
        """How many units there are in as many segments."""
        whole = self.segments <= 1
        return _WHOLE[self.encoding] if whole else self.segments * _PART[self.encoding]


@dataclass(frozen=True, slots=True)
class Price:
    """What a segment to numbers that begin with `prefix` (digits; empty: all) costs."""

    prefix: str
    amount: Decimal


def measure(text: str) -> Measure:
    """How a text is sent. An empty one is one segment: phones show it."""
    forcing = tuple(dict.fromkeys(one for one in text if one not in BASIC and one not in EXTENDED))
    encoding: Encoding = "ucs2" if forcing else "gsm7"
    widths = [_width(one, encoding) for one in text]
    units = sum(widths)
    if units <= _WHOLE[encoding]:
        return Measure(encoding, units, 1, forcing[:MOST_FORCING])
    return Measure(encoding, units, _parts(widths, _PART[encoding]), forcing[:MOST_FORCING])


def _width(letter: str, encoding: Encoding) -> int:
    if encoding == "gsm7":
        return 2 if letter in EXTENDED else 1
    return 2 if ord(letter) > 0xFFFF else 1  # noqa: PLR2004 - the end of the basic plane


def _parts(widths: Iterable[int], room: int) -> int:
    """How many parts there are when no letter is cut in two."""
    parts, used = 1, 0
    for width in widths:
        if used + width > room:
            parts, used = parts + 1, 0
        used += width
    return parts


def price_of(prices: Sequence[Price], number: str) -> Decimal | None:
    """What a segment to a number (`+` and digits) costs, by the longest prefix; None: not known."""
    digits = number.removeprefix("+")
    fitting = [one for one in prices if digits.startswith(one.prefix)]
    return max(fitting, key=lambda one: len(one.prefix)).amount if fitting else None


def cost(prices: Sequence[Price], number: str, segments: int) -> Decimal | None:
    """What a message of so many segments to a number costs."""
    each = price_of(prices, number)
    return None if each is None else each * segments
