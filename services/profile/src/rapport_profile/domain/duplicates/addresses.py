"""Postal addresses: what of them is compared, from fields, from one line, and from Chinese ones."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

import msgspec

from rapport_profile.domain.duplicates.words import is_chinese, plain

_SHORT = {
    "st": "street", "str": "strasse", "rd": "road", "ave": "avenue", "av": "avenue",
    "blvd": "boulevard", "ln": "lane", "dr": "drive", "ct": "court", "pl": "place",
    "cct": "circuit", "cres": "crescent", "hwy": "highway", "sq": "square",
}  # fmt: skip
_JOINED = re.compile(r"(?<=[a-z]{2})str(?=\s|$)")
_HOUSE = re.compile(r"\d+")
_POSTCODE = re.compile(r"(?<!\d)\d{5,6}(?!\d)")
_LEVEL = re.compile(
    r"(?:特别行政区|壮族自治区|回族自治区|维吾尔自治区|自治区|自治州|地区|[省市区县旗盟州])$"
)
_CHINESE = re.compile(
    r"(?:中国)?(?P<province>[^省市区县]{2,6}?(?:省|自治区)|(?:内蒙古|广西|西藏|宁夏|新疆)(?!市))?"
    r"(?P<city>(?:北京|上海|天津|重庆)市?|[^省市区县]{2,8}?(?:市|自治州|地区|盟))?"
    r"(?P<district>[^省市区县路街道]{1,8}?(?:区|县|旗|市))?"
    r"(?P<street>.*?(?:大道|路|街|道|巷|弄|村|镇|里))?"
    r"(?P<rest>.*)"
)
_STREET = ("street", "address1", "line1", "streetaddress", "街道", "地址")
_NUMBER = ("streetnumber", "housenumber", "门牌号")
_CITY = ("city", "town", "城市", "市")
_DISTRICT = ("district", "suburb", "区", "县")
_CODE = ("postalcode", "postcode", "zip", "zipcode", "plz", "邮编")

FIELDS = frozenset((*_STREET, *_NUMBER, *_CITY, *_DISTRICT, *_CODE))
"""The names of fields that are read, in small letters and one word."""


class Address(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The parts of an address that are compared, each in plain form; what is not known is empty.

    `place` is the city and, in China, the district of it; the province is left out: it says
    little that the city does not.
    """

    code: str = ""
    place: str = ""
    street: str = ""
    house: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.code or self.place or self.street)


def address_of(fields: Mapping[str, str]) -> Address:
    """An address by its fields, whose names are in small letters and one word."""
    line = _first(fields, _STREET)
    district, city = _first(fields, _DISTRICT), _first(fields, _CITY)
    if is_chinese(plain(city + district)) or _is_chinese_line(line):
        of_line = address_in(line)
        place = " ".join(filter(None, (_level(plain(city)), _level(plain(district)))))
        house = plain(_first(fields, _NUMBER)) or of_line.house
        return Address(_code(_first(fields, _CODE)), place or of_line.place, of_line.street, house)
    street, house = _street(line)
    number = _HOUSE.search(unicodedata.normalize("NFKC", _first(fields, _NUMBER)))
    place = plain(district) or plain(city)
    return Address(_code(_first(fields, _CODE)), place, street, number[0] if number else house)


def address_in(line: str) -> Address:
    """An address in one line: `12 Main St, Springfield 12345`, `上海市浦东新区世纪大道100号`."""
    text = unicodedata.normalize("NFKC", line[:200]).strip()
    if _is_chinese_line(text):
        return _chinese(text)
    code = _POSTCODE.search(text)
    parts = [one for one in text.replace("\n", ",").split(",") if plain(one)]
    if not parts:
        return Address()
    street, house = _street(parts[0])
    place = plain(_HOUSE.sub(" ", parts[1])) if len(parts) > 1 else ""
    return Address(code[0] if code else "", place, street, house)


def _is_chinese_line(text: str) -> bool:
    """Whether it begins in Chinese; numbers and rooms follow in any script."""
    return is_chinese(plain(text)[:2])


def _chinese(text: str) -> Address:
    found = _CHINESE.fullmatch(re.sub(r"[\s,]+", "", text))
    levels = {} if found is None else found.groupdict(default="")
    house = _HOUSE.search(levels.get("rest", ""))
    place = " ".join(filter(None, (_level(levels.get(one, "")) for one in ("city", "district"))))
    return Address("", place, levels.get("street", ""), house[0] if house else "")


def _level(name: str) -> str:
    """A level's name without what kind of level it is: `浦东新区` and `浦东新` are one."""
    bare = _LEVEL.sub("", name)
    return bare if len(bare) > 1 else name


def _street(line: str) -> tuple[str, str]:
    """(words of the street, first number in it)"""
    text = plain(line)
    house = _HOUSE.search(text)
    words = _JOINED.sub("strasse", _HOUSE.sub(" ", text)).split()
    return " ".join(_SHORT.get(one, one) for one in words), house[0] if house else ""


def _code(text: str) -> str:
    return plain(text).replace(" ", "")


def _first(fields: Mapping[str, str], names: Iterable[str]) -> str:
    return next((fields[one] for one in names if fields.get(one)), "")
