"""Minting operator tokens from the installation's secret."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from joserfc import jwt
from joserfc.jwk import OctKey

from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Sequence


def mint(
    secret: str | None,
    workspace: str,
    *,
    scopes: Sequence[str] = ("*",),
    hours: float = 24,
    subject: str = "cli",
    installation: bool = False,
) -> str:
    """Sign a token (JWT, HS256) that every service accepts for `hours`; raises `no_secret`.

    `installation` adds the claim for work on all workspaces at once, as positions are.
    """
    if not secret:
        raise CliError(
            "no_secret",
            "No secret to sign a token with: run this where `make up` was run, or set "
            "RAPPORT_SECRET or RAPPORT_TOKEN.",
        )
    # The services derive the key in the same way.
    key = hmac.digest(secret.encode(), b"rapport/operator-token", "sha256")
    now = int(time.time())
    claims = {
        "iss": "rapport",
        "aud": "rapport",
        "sub": subject,
        "workspace": workspace,
        "scopes": list(scopes),
        "iat": now,
        "exp": now + int(hours * 3600),
    }
    if installation:
        claims["installation"] = True
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))
