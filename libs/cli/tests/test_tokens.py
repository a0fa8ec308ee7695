"""A token minted here is one the services accept."""

import pytest

from rapport_cli.errors import CliError
from rapport_cli.tokens import mint
from rapport_common.auth import Authenticator
from rapport_common.errors import UnauthorizedError

SECRET = "a-secret-of-at-least-thirty-two-characters"


def test_services_accept_the_token() -> None:
    token = mint(SECRET, "acme", scopes=["events:read", "ops"], subject="ada")
    caller = Authenticator(SECRET).verify(token)
    assert (caller.workspace, caller.subject) == ("acme", "ada")
    assert caller.scopes == {"events:read", "ops"}


def test_services_refuse_another_secrets_token() -> None:
    with pytest.raises(UnauthorizedError):
        Authenticator(SECRET).verify(mint(SECRET + "!", "acme"))


def test_services_refuse_an_old_token() -> None:
    with pytest.raises(UnauthorizedError):
        Authenticator(SECRET).verify(mint(SECRET, "acme", hours=-1))


def test_without_a_secret_it_says_what_to_do() -> None:
    with pytest.raises(CliError, match="RAPPORT_SECRET"):
        mint(None, "acme")
