"""Tokens: ours are read, and nothing else is."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_feedback.domain import links

KEY = b"k" * 32
IDS = st.uuids()


@given(IDS)
def test_what_was_signed_is_read(invitation_id: UUID) -> None:
    token = links.sign(KEY, invitation_id)
    assert links.read(KEY, token) == invitation_id
    assert links.read(b"another key", token) is None


@given(IDS, st.data())
def test_one_other_character_and_it_is_not_ours(invitation_id: UUID, data: st.DataObject) -> None:
    token = links.sign(KEY, invitation_id)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda one: one != token[at]))
    assert links.read(KEY, token[:at] + other + token[at + 1 :]) is None


@given(st.text())
def test_any_text_is_refused_without_an_error(token: str) -> None:
    assert links.read(KEY, token) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + "=",
        lambda t: t[:-1],
        lambda t: " " + t,
        str.lower,
        lambda t: t.replace("-", "+"),
    ],
)
def test_only_one_spelling_counts(change: object) -> None:
    tokens = (links.sign(KEY, UUID(int=number)) for number in range(1000))
    token = next(one for one in tokens if "-" in one)
    assert callable(change)
    assert links.read(KEY, change(token)) is None


def test_a_token_is_safe_in_a_path() -> None:
    tokens = "".join(links.sign(KEY, UUID(int=number)) for number in range(200))
    assert set(tokens) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
