"""Who is proposed as one person, and why; look-alikes are not called likely."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from services.profile.tests import febrl
from services.profile.tests.people import IDS

from rapport_profile.domain.duplicates.blocks import LARGEST, block_keys, telling_keys
from rapport_profile.domain.duplicates.known import Known, known_of
from rapport_profile.domain.duplicates.scoring import Likeness, likeness
from rapport_profile.domain.duplicates.weights import LIKELY, PROPOSE, WEIGHTS

HOME = {"street": "Hauptstr. 5", "zip": "10115", "city": "Berlin"}
ADA: dict[str, Any] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "birthday": "1990-05-04",
    "phone": "+491709274481",
    "email": "ada.lovelace@example.com",
    "address": HOME,
    "gender": "f",
}
NAME = {"first_name": "Ada", "last_name": "Lovelace"}
BORN = {**NAME, "birthday": "1990-05-04"}


def compared(one: dict[str, Any], other: dict[str, Any]) -> Likeness:
    mine, theirs = known_of(one, []), known_of(other, [])
    assert likeness(mine, theirs) == likeness(theirs, mine)
    return likeness(mine, theirs)


def told(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [reason.told for reason in compared(one, other).reasons]


@pytest.mark.parametrize(
    ("one", "other", "reasons"),
    [
        (NAME, {"name": "Lovelace, Ada"}, ["same family name", "same given name"]),
        (NAME, {"name": "Dr. Ádá LOVELACE"}, ["same family name", "same given name"]),
        (
            NAME,
            {"first_name": "Lovelace", "last_name": "Ada"},
            ["same family name", "same given name", "given and family name swapped"],
        ),
        ({"name": "A. Lovelace"}, NAME, ["given name may be the same: an initial"]),
        ({"name": "B. Lovelace"}, NAME, ["different given name"]),
        (NAME, {"name": "Ada King Lovelace"}, ["given name is a part of the other"]),
        (NAME, {"name": "Adda Lovelance"}, ["family name 0.98", "given name 0.93"]),
        (NAME, {"name": "Grace Hopper"}, ["different family name", "different given name"]),
        (NAME, {"name": "Ada"}, ["same given name"]),
        ({"name": "王小明"}, {"name": "王小明"}, ["same given name"]),
        ({"name": "王小明"}, {"name": "Xiaoming Wang"}, ["same given name", "same family name"]),
        ({"name": "王伟"}, {"name": "王玮"}, ["given name may be the same: it sounds the same"]),
        ({"name": "王伟"}, {"name": "王小明"}, ["different given name"]),
        ({"birthday": "1990-05-04"}, {"birthday": "4 / 5 / 1990"}, ["same birthday"]),
        (
            {"birthday": "1990-05-04"},
            {"birthday": "1990-04-05"},
            ["birthday with day and month swapped"],
        ),
        (
            {"birthday": "1990-05-14"},
            {"birthday": "1990-05-41"},
            [],
        ),
        (
            {"birthday": "1990-05-12"},
            {"birthday": "1990-05-21"},
            ["birthday differs in two digits swapped"],
        ),
        (
            {"birthday": "1990-05-12"},
            {"birthday": "1991-05-12"},
            ["birthday differs in one digit"],
        ),
        (
            {"birthday": "2000-02-29"},
            {"birthday": "2000-03-01"},
            ["birthday is a 29 February moved by a day"],
        ),
        (
            {"birthday": "2000-03-01"},
            {"birthday": "2000-12-31"},
            ["different birthday"],
        ),
        ({"email": "a.b+x@example.com"}, {"email": "ab@example.com"}, ["e-mail differs in dots"]),
        ({"email": "ab@example.com"}, {"email": "ab@exmaple.com"}, ["e-mail differs in one"]),
        ({"email": "ab@example.com"}, {"email": "ab@else.example"}, ["same e-mail name at"]),
        ({"email": "ab@example.com"}, {"email": "cd@else.example"}, ["different e-mail"]),
        ({"phone": "+491709274481"}, {"phone": "+491709274418"}, ["phone differs in two digits"]),
        ({"phone": "+491709274481"}, {"phone": "0170 9274481"}, ["phone is the same without"]),
        ({"phone": "+491709274481"}, {"phone": "+4917053"}, ["different phone"]),
        ({"passport": "C01X"}, {"passport": "c 01 x"}, ["same passport"]),
        ({"passport": "C01X55"}, {"passport": "C01X56"}, ["passport differs in one digit"]),
        ({"passport": "C01X55"}, {"passport": "D71Y36"}, ["different passport"]),
        ({"passport": "C01X55"}, {"ssn": "C01X55"}, []),
        ({"gender": "female"}, {"gender": "Herr"}, ["different gender"]),
        (
            {"address": HOME},
            {"address": {**HOME, "zip": "10151"}},
            ["same place", "same street", "postcode differs in two digits", "same house number"],
        ),
        (
            {"address": HOME},
            {"address": "Hauptstrase 5, Berlin Mitte 10115"},
            ["same postcode", "same house number", "street 0.98", "place is a part of the other"],
        ),
        ({"address": HOME}, {"address": "Ringweg 7, Bonn 53111"}, ["different address"]),
    ],
)
def test_what_is_told_of_two(
    one: dict[str, Any], other: dict[str, Any], reasons: list[str]
) -> None:
    found = told(one, other)
    assert len(found) >= len(reasons)
    for reason in reasons:
        assert any(each.startswith(reason) for each in found), (reason, found)
    if not reasons:
        assert found == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BORN, {**BORN, "first_name": "Áda", "phone": "+491709274481"}),
        (ADA, {**ADA, "email": "other@else.example", "phone": None, "address": HOME}),
        (ADA, {**ADA, "phone": "+491709274418", "address": "Ringweg 7, Bonn"}),
        ({"name": "王小明", "birthday": "1990年5月4日", "phone": "+8613912087654"},
         {"name": "Wang Xiaoming", "birthday": "1990-05-04", "phone": "+8613912087645"}),
    ],
)  # fmt: skip
def test_who_is_called_likely(one: dict[str, Any], other: dict[str, Any]) -> None:
    found = compared(one, other)
    assert (found.band, found.is_proposed) == ("likely", True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({**NAME, "address": HOME}, {**NAME, "address": HOME}),
        ({**BORN, "address": HOME}, {**BORN, "address": "Ringweg 7, Bonn", "phone": "+4930901820"}),
    ],
)
def test_who_is_proposed_and_not_called_likely(one: dict[str, Any], other: dict[str, Any]) -> None:
    found = compared(one, other)
    assert (found.band, found.is_proposed) == ("possible", True)


EPOCH = {**NAME, "birthday": "1970-01-01"}
WANG = {"name": "王伟", "city": "北京市"}
TWIN = {**ADA, "first_name": "Byron"}
LOOK_ALIKES = {
    "twins at one address": (ADA, {**TWIN, "email": "byron@example.com"}),
    "siblings with different birthdays": (ADA, {**TWIN, "birthday": "1992-11-17"}),
    "father and son of one name": (ADA, {**ADA, "birthday": "1961-10-23", "email": None}),
    "an agent's e-mail": (
        {"name": "Ada Lovelace", "email": "agent@shop.example"},
        {"name": "Grace Hopper", "email": "agent@shop.example"},
    ),
    "an agent's e-mail and one name": (
        {"name": "Maria Silva", "email": "agent@shop.example"},
        {"name": "Maria Silva", "email": "agent@shop.example"},
    ),
    "words for nothing": (
        {"name": "null", "email": "n/a", "phone": "000000000", "city": "-", "zip": "0"},
        {"name": "null", "email": "n/a", "phone": "000000000", "city": "-", "zip": "0"},
    ),
    "no birthdays": ({**NAME, "birthday": "0000-00-00"}, {**NAME, "birthday": "0000-00-00"}),
    "the start of a calendar": (EPOCH, EPOCH),
    "two of a common name": (WANG, WANG),
    "neighbours": ({"name": "Ada L", "address": HOME}, {"name": "Bob K", "address": HOME}),
    "nothing in common": (ADA, {"gender": "f"}),
}  # fmt: skip


@pytest.mark.parametrize("pair", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_look_alikes_are_not_likely(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert compared(*pair).score < LIKELY


@pytest.mark.parametrize(
    "who", ["twins at one address", "father and son of one name", "an agent's e-mail"]
)
def test_some_are_not_even_proposed(who: str) -> None:
    assert compared(*LOOK_ALIKES[who]).score < PROPOSE


def test_what_many_have_says_nothing() -> None:
    agents = {"name": "Maria Silva", "email": "agent@shop.example", "phone": "+491709274481"}
    one = known_of({**agents, "passport": "X1"}, [])
    found = likeness(one, one, telling_keys(one))
    assert {reason.told for reason in found.reasons} == {
        "same given name",
        "same family name",
        "many people have this name",
    }
    other = known_of({"name": "Grace Hopper"}, [])
    assert "many" not in str(likeness(one, other, telling_keys(one)).reasons)


def test_two_of_a_very_common_name_and_one_birthday_are_not_likely() -> None:
    one = known_of({"name": "王伟", "birthday": "1990-05-04"}, [])
    assert likeness(one, one).band == "likely"
    found = likeness(one, one, telling_keys(one))
    assert (found.band, found.is_proposed) == ("possible", True)


# --- all people --------------------------------------------------------------------------------

VALUES: dict[str, list[Any]] = {
    "name": ["Ada Lovelace", "Lovelace, Ada", "Ada", "A. Lovelace", "王小明", "Wang Xiaoming", ""],
    "birthday": ["1990-05-04", "1990-04-05", "1990-05-05", "2000-02-29", "0000-00-00", ""],
    "email": ["ada@example.com", "a.da@example.com", "lovelace.ada@example.com", "x", ""],
    "phone": ["+491709274481", "+491709274418", "01709274481", ""],
    "address": [HOME, "Hauptstr. 5, Berlin", "Hauptstr. 6, Bonn 53111", "北京市朝阳区", ""],
    "gender": ["f", "m", ""],
    "passport": ["C01X", "C01Y", ""],
}  # fmt: skip
PEOPLE = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in VALUES.items()}
).map(lambda traits: known_of(traits, []))


@given(PEOPLE, PEOPLE)
@example(Known(), Known())
def test_who_comes_first_is_no_matter(one: Known, other: Known) -> None:
    found = likeness(one, other)
    assert found == likeness(other, one)
    assert 0 <= found.score <= 1
    assert all(reason.told for reason in found.reasons)


@given(PEOPLE)
def test_keys_are_few_and_each_is_once(who: Known) -> None:
    keys = block_keys(who)
    assert len(set(keys)) == len(keys) < 40
    assert telling_keys(who) <= set(keys)


def test_shares_are_of_all_pairs() -> None:
    """Of each field the levels are all there are; but of what is told beside another field."""
    for field, levels in WEIGHTS.items():
        for column in ("same", "household", "strangers"):
            total = sum(getattr(level, column) for level in levels.values())
            whole = field not in {"order of names", "name", "address"}
            assert not whole or total == pytest.approx(1, abs=0.01), (field, column)


def test_digests_are_of_one_workspace_and_one_sort() -> None:
    made = {IDS.digest(*each) for each in (("w", "a b", "x"), ("v", "a b", "x"), ("w", "a c", "x"))}
    assert len(made) == 3
    assert IDS.digest("w", "a b", "x") in made


# --- FEBRL -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("papers", "least", "likely"), [(True, 0.97, 0.93), (False, 0.88, 0.69)])
def test_as_much_is_found_on_febrl_as_was(*, papers: bool, least: float, likely: float) -> None:
    table = febrl.load("1", papers=papers)
    found = febrl.scores(table)
    proposed = febrl.measured(table, found, PROPOSE)
    sure = febrl.measured(table, found, LIKELY)
    assert (proposed.precision, sure.precision) == (1, 1)
    assert (proposed.recall >= least, sure.recall >= likely) == (True, True)
    assert proposed.f1 > sure.f1
    assert proposed.compared < 1_000


def test_a_block_that_many_share_compares_nobody() -> None:
    crowd = {str(n): known_of({"email": "agent@shop.example"}, []) for n in range(LARGEST + 1)}
    assert list(febrl.candidates(crowd)) == []
    crowd.popitem()
    assert list(febrl.candidates(crowd)) == list(combinations(sorted(crowd), 2))
