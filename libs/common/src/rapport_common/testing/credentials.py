"""Credentials for tests: a key that signs operator tokens, and keys for every purpose."""

import json
from datetime import timedelta

from joserfc import jwt
from joserfc.jwk import OKPKey

from rapport_common import clock
from rapport_common.auth import AUDIENCE, ISSUER, Authenticator, Issuer
from rapport_common.trust import KeySource

SIGNING_KEY = OKPKey.generate_key("Ed25519", auto_kid=True)
OPERATOR_KEYS = json.dumps({"keys": [SIGNING_KEY.as_dict(private=False)]})
EVENT_KEY, WRITE_KEY_PEPPER, LINK_KEY, RECEIPT_KEY, WEBHOOK_KEY, SIGNING_KEYS_KEY = (
    bytes([n]) * 32 for n in range(1, 7)
)

KEY_SETTINGS = {
    "operator_keys": OPERATOR_KEYS,
    "event_key": EVENT_KEY.hex(),
    "write_key_pepper": WRITE_KEY_PEPPER.hex(),
    "link_key": LINK_KEY.hex(),
    "receipt_key": RECEIPT_KEY.hex(),
    "webhook_keys": WEBHOOK_KEY.hex(),
    "signing_keys": SIGNING_KEYS_KEY.hex(),
}
"""By the names of the settings; a service takes those that it has."""

KEY_ENVIRONMENT = {f"RAPPORT_{name.upper()}": value for name, value in KEY_SETTINGS.items()}


def authenticator(*, hours: float = 24) -> Authenticator:
    """Takes the tokens of `mint`."""
    return Authenticator(Issuer(ISSUER, AUDIENCE, KeySource(OPERATOR_KEYS)), hours=hours)


def mint(
    workspace: str,
    subject: str,
    scopes: list[str],
    lifetime: timedelta,
    *,
    installation: bool = False,
) -> str:
    """An operator token that holds for `lifetime` from now."""
    issued = clock.now()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "workspace": workspace,
        "scopes": scopes,
        "iat": int(issued.timestamp()),
        "exp": int((issued + lifetime).timestamp()),
    }
    if installation:
        claims["installation"] = True
    header = {"alg": "Ed25519", "kid": SIGNING_KEY.kid}
    return jwt.encode(header, claims, SIGNING_KEY, algorithms=["Ed25519"])
