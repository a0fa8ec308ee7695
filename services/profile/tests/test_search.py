"""What people are found by: spellings, pinyin, misspellings; and keys leave nobody out."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.people import START, event

from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.pinyin import LONGEST, pinyin_of
from rapport_profile.domain.published import Summary
from rapport_profile.domain.search_query import (
    BEGINNING,
    INSIDE,
    LEVELS,
    LOOSE,
    MOST_WORDS,
    WHOLE,
    Search,
    hit,
    search_for,
)
from rapport_profile.domain.search_words import differ_by_one, misspellings, numbers, words_of
from rapport_profile.domain.searchable import (
    MOST_LETTERS,
    NAME_TRAITS,
    Entry,
    entries_of,
    keys_of,
)
from rapport_profile.domain.stamps import Stamp
from rapport_profile.domain.traits import Trait

STAMP = Stamp(START, "m", "s")
CHOSEN = ("city", "address.city", "left.out")


def person(*identifiers: tuple[str, str], **traits: object) -> list[Entry]:
    """What somebody with these traits and identifiers is found by."""
    told = {
        name: Trait(msgspec.Raw(msgspec.json.encode(value)), STAMP)
        for name, value in traits.items()
    }
    named = [(kind, value, START) for kind, value in identifiers]
    return entries_of(Summary(len(named), named=named, fold=Fold(traits=told)), CHOSEN)


ADA = person(
    ("user_id", "C-1001"),
    ("email", "ada.byron@example.org"),
    ("phone", "+4917612345678"),
    ("anonymous_id", "0192f4a0-77aa"),
    first_name="Ada Zoë",
    lastName="Müller-Straße",
    city="Köln",
    age=36,
    address={"city": "Łódź", "zip": 5},
    left="alone",
)


def has_keys(asked: Search, entries: list[Entry], level: int) -> bool:
    """Whether those who fit at a level are looked at, when it is asked for."""
    keys = set(keys_of("w", entries))
    ways = asked.keys(level)
    return any(all(keys & set(numbers("w", part)) for part in parts) for parts in ways)


@pytest.mark.parametrize(
    ("text", "level", "field"),
    [
        ("ada", WHOLE, "name"),
        ("ADA muller", WHOLE, "name"),
        ("mueller", LOOSE, "name"),
        ("müller-strasse", WHOLE, "traits.lastName"),
        ("MÜLLER-STRAẞE", WHOLE, "traits.lastName"),
        ("mu", BEGINNING, "name"),
        ("zoe", WHOLE, "name"),
        ("ｚｏｅ", WHOLE, "name"),
        ("z\u200bo\u00ade\u0301", WHOLE, "name"),
        ("trasse", INSIDE, "name"),
        ("mulelr", LOOSE, "name"),
        ("müler", LOOSE, "name"),
        ("strase", LOOSE, "name"),
        ("ada.byron@example.org", WHOLE, "identifiers.email"),
        ("byron@ex", BEGINNING, "identifiers.email"),
        ("yron", INSIDE, "identifiers.email"),
        ("exmaple", LOOSE, "identifiers.email"),
        ("+49 176 123 45678", WHOLE, "identifiers.phone"),
        ("0176-12345678", INSIDE, "identifiers.phone"),
        ("4567", INSIDE, "identifiers.phone"),
        ("491761234567", BEGINNING, "identifiers.phone"),
        ("4917612345679", None, None),
        ("c1001", WHOLE, "identifiers.user_id"),
        ("c 1001", WHOLE, "identifiers.user_id"),
        ("0192f4a0-77aa", WHOLE, "identifiers.anonymous_id"),
        ("0192f4", BEGINNING, "identifiers.anonymous_id"),
        ("f4a0", None, None),
        ("koln", WHOLE, "traits.city"),
        ("lodz", WHOLE, "traits.address.city"),
        ("ada köln", WHOLE, "name"),
        ("ada köl", BEGINNING, "name"),
        ("ada oln", INSIDE, "name"),
        ("ada kolm", LOOSE, "name"),
        ("ada berlin", None, None),
        ("36", None, None),
        ("da", None, None),
    ],
)
def test_somebody_is_found_as_people_write(text: str, level: int | None, field: str | None) -> None:
    asked = search_for(text)
    assert asked is not None
    found = hit(asked, ADA)
    assert (found and found.level, found and found.entries[0].field) == (level, field)
    if level is not None:
        assert has_keys(asked, ADA, level)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("张三", WHOLE),
        ("三", INSIDE),
        ("张", BEGINNING),
        ("zhangsan", WHOLE),
        ("Zhang San", WHOLE),
        ("ｚｈａｎｇｓａｎ", WHOLE),
        ("zhāng sān", WHOLE),
        ("zhangs", BEGINNING),
        ("san", WHOLE),
        ("zs", WHOLE),
        ("ZS", WHOLE),
        ("hangsa", INSIDE),
        ("zhangsam", LOOSE),
        ("zh", BEGINNING),
        ("李四", None),
        ("lisi", None),
    ],
)
@pytest.mark.parametrize(
    "traits", [{"name": "张三"}, {"last_name": "张", "first_name": "三"}, {"full_name": "张 三"}]
)
def test_a_chinese_name_is_found_by_characters_and_pinyin(
    text: str, level: int | None, traits: dict[str, str]
) -> None:
    asked = search_for(text)
    assert asked is not None
    found = hit(asked, person(**traits))
    if text == "三" and "name" not in traits:
        level = WHOLE  # a word of its own there
    if text == "张" and "name" not in traits:
        level = WHOLE
    assert (found and found.level) == level
    assert level is None or has_keys(asked, person(**traits), level)


def test_a_surname_is_read_as_a_surname_too() -> None:
    assert ("zeng", "zhi", "wei") in pinyin_of("曾志伟")
    assert {("lv", "bu"), ("lu", "bu")} <= set(pinyin_of("吕布"))
    assert pinyin_of("司马·光")[0] == ("si", "ma", "guang")
    assert pinyin_of("Ada") == pinyin_of("") == pinyin_of("张Ada") == []
    assert pinyin_of("张" * (LONGEST + 1)) == []


@pytest.mark.parametrize("text", ["", " ", "@@@", "\u200b", "a " * (MOST_WORDS + 1)])
def test_what_has_no_words_or_too_many_asks_for_nothing(text: str) -> None:
    assert search_for(text) is None


def test_what_is_known_of_somebody_is_bounded() -> None:
    many = person(*(("card", f"{n:040}") for n in range(200)), name="x" * 5_000)
    assert sum(len(text) for one in many for text in one.spelt) <= MOST_LETTERS
    assert len(many) > 40
    assert len(keys_of("w", many)) < 3 * MOST_LETTERS


def test_values_that_are_no_text_are_not_searched() -> None:
    assert person(name=["Ada"], nickname=7, city={"city": "x"}, address="Köln") == []
    assert person(name="!!!", username="\u200b") == []
    deep = Trait(msgspec.Raw(b"[" * 100_000 + b"]" * 100_000), STAMP)
    assert entries_of(Summary(fold=Fold(traits={"address": deep})), CHOSEN) == []


def test_an_address_is_shown_once_and_as_where_somebody_is_reached() -> None:
    told = [
        event("1", type="identify", user_id="U", traits={"email": "a@x.org", "name": "Ada"}),
        event("2", type="identify", user_id="U", traits={"email": "b@x.org"}, at=1),
    ]
    named = [("email", one, START) for one in ("a@x.org", "b@x.org")]
    found = entries_of(Summary(2, named=named, fold=fold_all(told)))
    assert [(one.field, one.value) for one in found] == [
        ("traits.name", "Ada"),
        ("contact_points.email", "b@x.org"),
        ("identifiers.email", "a@x.org"),
    ]


def test_who_fits_better_stands_before() -> None:
    asked = search_for("ann")
    assert asked is not None
    people = {
        "d": person(city="Ann"),
        "c": person(("user_id", "ann")),
        "b": person(name="Ann Lee"),
        "a": person(name="Ann"),
        "e": person(name="Anna"),
        "f": person(name="Joann"),
    }
    hits = {one: hit(asked, entries) for one, entries in people.items()}
    ordered = sorted(found.key(one) for one, found in hits.items() if found is not None)
    assert "".join(one[-1] for one in ordered) == "abcdef"


letters = st.sampled_from("abAßéoO张三一-. @0１")
texts = st.text(letters, max_size=7)
anything = st.text(max_size=6)


@given(
    st.lists(st.tuples(st.sampled_from(["user_id", "email", "anonymous_id"]), texts), max_size=3),
    st.dictionaries(st.sampled_from([*sorted(NAME_TRAITS)[:4], "city"]), texts, max_size=3),
    texts | anything,
)
def test_who_fits_has_the_keys(
    identifiers: list[tuple[str, str]], traits: dict[str, str], text: str
) -> None:
    """So that who is looked for by keys is found: at each level all who fit at it."""
    entries = person(*identifiers, **traits)
    asked = search_for(text)
    if asked is None:
        return
    for level in LEVELS:
        found = hit(asked, entries, level)
        if found is not None and found.level == level:
            assert has_keys(asked, entries, level), (level, entries)


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_words_that_differ_by_one_letter_have_a_key_in_common(one: str, other: str) -> None:
    """Whatever has the key is looked at, so those that differ by more may have one, too."""
    if differ_by_one(one, other):
        assert set(misspellings(one)) & set(misspellings(other))
    assert differ_by_one(one, other) == differ_by_one(other, one)
    assert differ_by_one(one, other) == (other in _neighbours(one) and one != other)


def _neighbours(word: str) -> set[str]:
    """All that one slip makes of a word."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    less = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    others = {a + c + b[1:] for a, b in cuts if b for c in "abc"}
    more = {a + c + b for a, b in cuts for c in "abc"}
    return less | swapped | others | more


@given(st.text(max_size=20))
def test_words_stay_as_they_are(text: str) -> None:
    """So that what was found is found by what is shown of it."""
    found = words_of(text)
    assert words_of(" ".join(found)) == found
    assert all(word and not word.isspace() for word in found)


def test_keys_are_a_workspaces_own() -> None:
    assert not set(numbers("one", ["=ada"])) & set(numbers("two", ["=ada"]))
