"""A token minted here is one the services accept."""

import pytest

import rapport_keys
from rapport_cli.errors import CliError
from rapport_cli.tokens import mint
from rapport_common.auth import AUDIENCE, ISSUER, Authenticator, Issuer
from rapport_common.errors import UnauthorizedError
from rapport_common.trust import KeySource

SECRET = "a-secret-of-at-least-thirty-two-characters"


def services(generation: int = 1) -> Authenticator:
    """What a service makes of the settings that `rapport keys` prints."""
    keys = rapport_keys.service_settings("segment", SECRET, generation=generation)
    assert set(keys) == {"RAPPORT_EVENT_KEY", "RAPPORT_OPERATOR_KEYS", "RAPPORT_WEBHOOK_KEYS"}
    source = KeySource(keys["RAPPORT_OPERATOR_KEYS"])
    return Authenticator(Issuer(ISSUER, AUDIENCE, source), hours=24)


async def test_services_accept_the_token() -> None:
    token = mint(SECRET, "acme", scopes=["events:read", "ops"], subject="ada")
    caller = await services().verify(token)
    assert (caller.workspace, caller.subject) == ("acme", "ada")
    assert caller.scopes == {"events:read", "ops"}


async def test_services_refuse_another_secrets_token() -> None:
    with pytest.raises(UnauthorizedError, match="key that signed it"):
        await services().verify(mint(SECRET + "!", "acme"))


@pytest.mark.parametrize(("hours", "why"), [(-1, "expired"), (25, "24 h at most"), (876_000, "24")])
async def test_services_refuse_a_token_that_holds_too_long_or_no_more(hours: int, why: str) -> None:
    with pytest.raises(UnauthorizedError, match=why):
        await services().verify(mint(SECRET, "acme", hours=hours))


async def test_the_signing_key_is_rotated_without_a_gap() -> None:
    old, new = (mint(SECRET, "acme", generation=one) for one in (1, 2))
    for token in (old, new):
        assert (await services(generation=2).verify(token)).workspace == "acme"
    with pytest.raises(UnauthorizedError):
        await services(generation=1).verify(new)
    with pytest.raises(UnauthorizedError):
        await services(generation=3).verify(old)


def test_without_a_secret_it_says_what_to_do() -> None:
    with pytest.raises(CliError, match="RAPPORT_SECRET"):
        mint(None, "acme")


@pytest.mark.parametrize("scope", ["foo:read", "*:read", "segments"])
def test_a_scope_that_no_service_asks_for_is_refused(scope: str) -> None:
    with pytest.raises(CliError) as caught:
        mint(SECRET, "demo", scopes=["segments:read", scope])
    assert caught.value.code == "unknown_scope"
    assert "segments:write" in str(caught.value)


@pytest.mark.parametrize("hours", [float("inf"), float("nan")])
def test_a_token_holds_for_some_hours(hours: float) -> None:
    with pytest.raises(CliError, match="hours"):
        mint(SECRET, "demo", hours=hours)
