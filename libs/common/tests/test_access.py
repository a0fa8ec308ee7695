"""What is told of somebody: sealed, in pieces, and nothing of anybody else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common import clock
from rapport_common.access.gatherer import PIECE, cut, lines
from rapport_common.access.parts import COVERED, covered, covering, speaking
from rapport_common.access.sealing import new_key, opened, place_of, seal
from rapport_common.events.envelope import identifier_digest
from rapport_common.events.privacy import EndedProfile, PrivacyRecord
from rapport_common.events.privacy_v1 import PrivacyRecordV1, from_v1
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.testing.credentials import EVENT_KEY

KNOWN = Recogniser(EVENT_KEY)
OWN = {"email": "ada@example.com", "phone": "+4917012345678", "user_id": "ada"}
ADA = Subject(
    workspace="w",
    request_id="r",
    profile_id="0190a5c0-0000-7000-8000-000000000001",
    subjects=frozenset(identifier_digest(EVENT_KEY, "w", one).hex() for one in OWN.items()),
    kinds=frozenset(OWN),
    profiles=frozenset({"0190a5c0-0000-7000-8000-000000000001"}),
    at=clock.now(),
)


def test_a_wish_of_the_first_version_is_the_same_wish() -> None:
    said = {
        "workspace": "w",
        "request_id": "r",
        "kind": "erase",
        "profile_id": "p",
        "subjects": ["9f"],
        "at": clock.now(),
        "kinds": ["email"],
        "profiles": [EndedProfile(profile_id="p", version=3)],
    }
    made = from_v1(PrivacyRecordV1(**said))  # type: ignore[arg-type] # its fields
    assert made == PrivacyRecord(**said)  # type: ignore[arg-type] # the same


@pytest.mark.parametrize("unit", ["a", "@.1", "a@", '\\"', '"\\', "a@b.de1", "%22", "0", "+0 "])
def test_a_text_of_any_making_takes_time_by_its_length(unit: str) -> None:
    # Where it is the square this is minutes.
    given_ = unit * (200_000 // len(unit))
    for one in (given_, f"x{given_}@{given_}", f'"{given_}'):
        assert not KNOWN.speaks_of(ADA, one)
        assert covered(KNOWN, ADA, one)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("to ben@x.de1cyd@y.de.", f"to {COVERED}{COVERED}."),
        (
            "ben@no-end then ada@example.com, <ben@x.org>",
            f"ben@no-end then ada@example.com, <{COVERED}>",
        ),
        ("a@b@c.de", f"a@{COVERED}"),
    ],
)
def test_every_address_of_others_is_covered(text: str, left: str) -> None:
    assert covered(KNOWN, ADA, text) == left


@given(st.binary(max_size=2_000), st.integers(0, 99))
def test_who_has_the_key_reads_what_was_sealed(plain: bytes, number: int) -> None:
    private, public = new_key()
    place = place_of("r", "campaign", number)
    sealed = seal(public, place, plain)
    assert opened(private, place, sealed) == plain
    assert len(plain) < 9 or plain not in sealed


def test_nobody_else_reads_it_and_no_piece_is_taken_for_another() -> None:
    private, public = new_key()
    sealed = seal(public, place_of("r", "campaign", 1), b"secret")
    assert seal(public, place_of("r", "campaign", 1), b"secret") != sealed
    for key, place, content in (
        (new_key()[0], "r/campaign/1", sealed),
        (private, "r/campaign/2", sealed),
        (private, "r/segment/1", sealed),
        (private, "r/campaign/1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (private, "r/campaign/1", sealed[:40]),
        (private, "r/campaign/1", b""),
    ):
        with pytest.raises(ValueError, match="can't be opened"):
            opened(key, place, content)


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.text(max_size=50)), max_size=9))
def test_pieces_one_after_the_other_are_the_lines(rows: list[dict[str, str]]) -> None:
    told = lines("campaign.message", rows)
    assert b"".join(cut(told)) == told
    read = [msgspec.json.decode(one) for one in told.splitlines()]
    assert read == [{"section": "campaign.message", "row": row} for row in rows]


def test_no_piece_is_longer_than_a_record_may_be() -> None:
    pieces = list(cut(bytes(2 * PIECE + 1)))
    assert [len(one) for one in pieces] == [PIECE, PIECE, 1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("mail to Ada@Example.com, not bob@example.com", f"mail to Ada@Example.com, not {COVERED}"),
        ('{"email":"ada@example.com","friend":"bob@example.com"}', None),
        ("call +49 170 12345678 or +49 170 99999999.", f"call +49 170 12345678 or {COVERED}."),
        ("call 0049 170 12345678", "call 0049 170 12345678"),
        ("order 1234567890 of 2026-03-01T10:00:00Z for 12.30", None),
        ("mailto:bob@example.com", f"mailto:{COVERED}"),
        ("no address: @ada, ada@, a@b", None),
        (b"bytes \xff of bob@example.com", f"bytes \ufffd of {COVERED}"),
        ("", ""),
    ],
)
def test_what_is_others_in_a_text_is_covered(given: str | bytes, told: str | None) -> None:
    if told is None:
        assert isinstance(given, str)
        told = given.replace("bob@example.com", COVERED)
    assert covered(KNOWN, ADA, given) == told
    assert covered(KNOWN, ADA, None) is None


def test_rows_are_chosen_by_what_speaks_of_the_person() -> None:
    choose = speaking(KNOWN, "body", "reason")
    theirs = {"id": 1, "body": b"of ada@example.com and bob@example.com", "reason": None}
    assert list(choose(theirs, ADA)) == [
        {"id": 1, "body": f"of ada@example.com and {COVERED}", "reason": None}
    ]
    assert list(choose({"body": "of bob@example.com", "reason": "x"}, ADA)) == []
    all_rows = covering(KNOWN, "note")
    assert list(all_rows({"note": "of bob@example.com"}, ADA)) == [{"note": f"of {COVERED}"}]
