"""Secrets of webhooks as they are kept: opened by their key and at their place only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rapport_common.outside.signed_posts import new_secret
from rapport_common.testing.credentials import KEY_SETTINGS, WEBHOOK_KEY
from rapport_segment.domain.secret_keys import (
    KEY_BYTES,
    NONCE_BYTES,
    SealedSecretError,
    SecretKeys,
    place_of,
)
from rapport_segment.settings import Settings

KEYS = st.lists(
    st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), min_size=2, max_size=3, unique=True
)
SECRETS = st.binary(min_size=24, max_size=64).map(new_secret)
NONCES = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
HERE, THERE = place_of("acme", 1), place_of("globex", 1)


@given(KEYS, SECRETS, NONCES)
def test_all_keys_open_and_the_newest_seals(keys: list[bytes], secret: str, nonce: bytes) -> None:
    former, both = SecretKeys((keys[1],)), SecretKeys(tuple(keys))
    kept = former.sealed(HERE, secret, nonce)
    assert both.opened(HERE, kept) == secret
    assert kept.startswith(former.prefix)
    assert not kept.startswith(both.prefix)
    assert both.sealed(HERE, secret, nonce).startswith(both.prefix)
    with pytest.raises(SealedSecretError, match="not there any more"):
        SecretKeys((keys[0],)).opened(HERE, kept)
    with pytest.raises(SealedSecretError, match="not what was put there"):
        both.opened(THERE, kept)


@given(SECRETS, NONCES, st.integers(0, 60))
def test_what_was_changed_is_not_opened(secret: str, nonce: bytes, at: int) -> None:
    keys = SecretKeys((b"k" * KEY_BYTES,))
    kept = keys.sealed(HERE, secret, nonce)
    place = len(keys.prefix) + at
    other = "A" if kept[place] != "A" else "B"
    with pytest.raises(SealedSecretError):
        keys.opened(HERE, kept[:place] + other + kept[place + 1 :])
    with pytest.raises(SealedSecretError):
        keys.opened(HERE, kept[:-1])


def test_what_was_kept_before_any_were_sealed_is_read() -> None:
    assert SecretKeys((b"k" * KEY_BYTES,)).opened(HERE, "whsec_MfKQ") == "whsec_MfKQ"


@pytest.mark.parametrize("wrong", ["", "00", "x" * 64, "00" * 31, f"{'00' * 32},", "00" * 33])
def test_what_are_no_keys_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        SecretKeys.read(wrong)


@pytest.mark.parametrize("wrong", ["", "ab" * 31, f"{'ab' * 32};{'cd' * 32}"])
def test_a_service_without_keys_does_not_start(wrong: str) -> None:
    given_: dict[str, Any] = {
        **KEY_SETTINGS,
        "database_url": "postgresql://x",
        "kafka_bootstrap_servers": "x",
        "port": 1,
        "metrics_port": 2,
    }
    assert Settings(**given_).secret_keys().keys == (WEBHOOK_KEY,)
    with pytest.raises(ValidationError, match="webhook_keys"):
        Settings(**{**given_, "webhook_keys": wrong})


def test_keys_are_read_in_their_order() -> None:
    assert SecretKeys.read(f"{'01' * 32},{'02' * 32}").keys == (b"\1" * 32, b"\2" * 32)
