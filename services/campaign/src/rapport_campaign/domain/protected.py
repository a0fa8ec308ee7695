"""Attributes of people by which no price may be made, however they are spelt.

A name is read as its words: `dateOfBirth`, `date-of-birth` and `Date Of Birth` are the same. Short
words count as whole words only (`age` is not in `language`), long ones wherever they stand.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

MOST_WORDS: Final = 200
LONG: Final = 6
"""From so many letters on a word counts within another one, too."""

_SHIPPED = """
gender: gender, sex, gender identity, pronouns, salutation, male, female, is male, is female,
  geschlecht, anrede, sexe, sexo, genero, civilite, 性别, 性別, xingbie
age: age, ages, aged, age group, age band, birthday, birth date, birth year, date of birth, dob,
  born, yob, senior citizen, geburtstag, geburtsdatum, alter, edad, nacimiento, 年龄, 年齡, 生日,
  出生, nianling, shengri
religion: religion, religious, faith, creed, confession, denomination, church, konfession, glaube,
  宗教, 信仰, zongjiao
ethnicity: ethnicity, ethnic, race, racial, skin color, skin colour, caste, tribe, minority,
  ethnie, hautfarbe, 民族, 种族, 種族, minzu
nationality: nationality, citizenship, national origin, country of birth, place of birth,
  immigrant, immigration, passport country, nationalitat, staatsangehorigkeit, nationalite,
  nacionalidad, hukou, 国籍, 國籍, 户籍, 籍贯, guoji
health: health, illness, disease, diagnosis, medical, medication, hiv, genetic, biometric,
  blood type, gesundheit, krankheit, sante, salud, 健康, 疾病, jiankang
disability: disability, disabled, handicap, handicapped, impairment, wheelchair, behinderung,
  残疾, 殘疾, canji
sexual orientation: sexual orientation, orientation, sexuality, lgbt, lgbtq, gay, lesbian,
  bisexual, transgender, 性取向
marital status: marital status, marital, married, civil status, spouse, divorced, widowed,
  children, number of children, has children, familienstand, estado civil, 婚姻, 婚姻状况, hunyin
pregnancy: pregnancy, pregnant, maternity, schwanger, schwangerschaft, embarazo, grossesse, 怀孕,
  懷孕, 孕
union membership: union membership, union member, trade union, labor union, labour union,
  gewerkschaft, 工会, 工會
political opinion: political, politics, political party, party affiliation, party member, voter,
  vote, ideology, partei, 政治, 政治面貌, 党员
name (a proxy of gender and origin): first name, last name, given name, family name, surname,
  full name, middle name, maiden name, vorname, nachname, prenom, apellido, 姓名, 姓氏
address (a proxy of origin): street, address, postal code, postcode, zip, zip code, district,
  neighborhood, neighbourhood, strasse, plz, 地址, 邮编
mother tongue (a proxy of origin): native language, mother tongue, muttersprache, 母语
"""


def _shipped() -> dict[str, str]:
    lines = [one.partition(":") for one in _SHIPPED.replace("\n  ", " ").strip().splitlines()]
    return {word.strip(): about for about, _, words in lines for word in words.split(",")}


SHIPPED: Final[Mapping[str, str]] = _shipped()
"""What no workspace has to list: each word, and what it tells of people."""

WHOLE_NAMES: Final[Mapping[str, str]] = {
    "name": "name (a proxy of gender and origin)",
    "性": "gender",
}
"""What counts only where it is all of a name."""

_EDGE = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APART = re.compile(r"[\W_]+")
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")


class Protected:
    """The words of a workspace: those that are shipped, and its own.

    `less`: names that are not protected all the same, each as a whole (`streetwear`, `age_group`).
    """

    def __init__(self, more: Iterable[str] = (), less: Iterable[str] = ()) -> None:
        self._free = {"".join(words_of(one)) for one in less}
        listed = {**SHIPPED, **{one: f"\u201c{one}\u201d" for one in more}}
        found = {" ".join(words_of(word)): about for word, about in listed.items()}
        self._words = {word: about for word, about in found.items() if word}
        self._known = lru_cache(maxsize=1024)(self._found)

    def reads(self, name: str) -> str | None:
        """What a name tells of people that is protected; None: nothing.

        A path (`address.city`) tells what each of its names tells, and all of them together.
        """
        return self._known(name)

    def _found(self, name: str) -> str | None:
        if mixed(name):
            return "nobody knows what: it mixes letters of several alphabets"
        words = words_of(name)
        joined = "".join(words)
        if joined in self._free:
            return None
        if (whole := WHOLE_NAMES.get(joined)) is not None:
            return whole
        said = f" {' '.join(words)} "
        for word, about in self._words.items():
            plain = word.replace(" ", "")
            if f" {word} " in said or joined == plain:
                return about
            if (len(plain) >= LONG or not plain.isascii()) and plain in joined:
                return about
        return None


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in one spelling: lower case, without accents and what nobody sees."""
    seen = "".join(one for one in name if unicodedata.category(one) not in {"Cf", "Cc"})
    apart = _CAMEL.sub(" ", unicodedata.normalize("NFKC", seen))
    plain = unicodedata.normalize("NFKD", apart.casefold())
    bare = "".join(one for one in plain if not unicodedata.combining(one))
    return tuple(one for one in _APART.split(_EDGE.sub(" ", bare)) if one)


def mixed(name: str) -> bool:
    """Whether letters that look alike come from several alphabets: `gеnder` with a Cyrillic е."""
    letters = [one for one in unicodedata.normalize("NFKC", name) if one.isalpha()]
    found = {
        alphabet
        for one in letters
        for alphabet in _ALPHABETS
        if unicodedata.name(one, "").startswith(alphabet)
    }
    return len(found) > 1
