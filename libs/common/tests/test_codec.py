"""Records as bytes: whose they are, and what Postgres can't store, whatever the bytes are."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.codec import SLUG_LENGTH, encode, holds_nul, workspace_of

STEP = ProfileActivity(workspace="shop", profile_id="p", version=1)
TEXTS = st.text(st.sampled_from('\0\\"u0Aé'), max_size=12)


def test_a_record_names_its_workspace() -> None:
    assert encode(STEP) == b'{"workspace":"shop","profile_id":"p","version":1}'
    assert workspace_of(encode(STEP)) == "shop"
    longest = "w" * SLUG_LENGTH
    assert (
        workspace_of(b'{"other":{"workspace":"a"},"workspace":"%s"}' % longest.encode()) == longest
    )


@pytest.mark.parametrize(
    "value",
    [
        *(None, b"", b"null", b"7", b"[]", b'"shop"', b"{", b"{}", b"\xff\xfe\0"),
        *(b'{"workspace":null}', b'{"workspace":7}', b'{"workspace":{}}', b'{"workspace":""}'),
        *(b'{"workspace":"a\\u0000b"}', b'{"workspace":"a\\nb"}', b'{"workspace":"\xff"}'),
        b'{"workspace":"' + b"w" * (SLUG_LENGTH + 1) + b'"}',
        b'{"deep":' + b"[" * 100_000 + b'],"workspace":"shop"}',
    ],
    ids=lambda value: repr(value)[:24],
)
def test_bytes_that_name_no_workspace_are_nobodys(value: bytes | None) -> None:
    assert workspace_of(value) is None


@given(st.binary(max_size=40))
def test_any_bytes_are_read(value: bytes) -> None:
    assert workspace_of(value) is None or value.lstrip().startswith(b"{")


@given(st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_a_nul_is_found_wherever_it_stands_and_nothing_else_is_taken_for_one(
    told: dict[str, str],
) -> None:
    there = any("\0" in one for pair in told.items() for one in pair)
    for written in (msgspec.json.encode(told), json.dumps(told).encode()):
        assert holds_nul(written) == holds_nul(memoryview(written)) == there


def test_a_nul_counts_also_where_a_reader_does_not_see_it() -> None:
    assert holds_nul(rb'{"a":"\u0000","a":1}')
    assert not holds_nul(rb'{"a":"\\u0000","b":"u0000","c":"\u00001"}'.replace(rb"\u00001", b"1"))
