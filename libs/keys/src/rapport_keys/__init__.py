"""What derives from an installation's secret: the keys of its services, and operator tokens.

The secret stays with whoever deploys. A service gets the keys of its own purposes and the public
half of the one that signs tokens, so none can make a token, nor another service's links.
"""

import base64
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey

MIN_SECRET = 32
"""Characters."""

ISSUER = AUDIENCE = "rapport"
EVENT_KEY = "event-key"
"""What stands for an identifier, in Kafka's keys and in profile: the same key for all, for ever."""

PURPOSES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ingest": {"RAPPORT_EVENT_KEY": EVENT_KEY, "RAPPORT_WRITE_KEY_PEPPER": "write-key"},
        "profile": {"RAPPORT_EVENT_KEY": EVENT_KEY, "RAPPORT_RECEIPT_KEY": "privacy-receipt"},
        "segment": {"RAPPORT_EVENT_KEY": EVENT_KEY},
        "campaign": {"RAPPORT_EVENT_KEY": EVENT_KEY, "RAPPORT_LINK_KEY": "campaign-link"},
        "feedback": {"RAPPORT_EVENT_KEY": EVENT_KEY, "RAPPORT_LINK_KEY": "survey-link"},
    }
)
"""By service: its settings, and what the key in each is for."""

IN_GENERATIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "segment": {"RAPPORT_WEBHOOK_KEYS": "webhook-secret"},
        "campaign": {"RAPPORT_SIGNING_KEYS": "sender-domain"},
        "feedback": {"RAPPORT_WEBHOOK_KEYS": "feedback-webhook"},
    }
)
"""The same of keys that can be rotated: each setting has that of a generation, and that of the last
behind it.
"""


_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of a private key (RFC 8410, section 7)."""


def derive(secret: str, purpose: str) -> bytes:
    """A 32-byte key for `purpose`: its HMAC-SHA256 under the secret (NIST SP 800-108)."""
    return hmac.digest(secret.encode(), f"rapport/{purpose}".encode(), "sha256")


def service_settings(service: str, secret: str, *, generation: int = 1) -> dict[str, str]:
    """The settings of a service that hold keys; KeyError for a service that is not one."""
    keys = {name: derive(secret, purpose).hex() for name, purpose in PURPOSES[service].items()}
    for name, purpose in IN_GENERATIONS.get(service, {}).items():
        newest_first = reversed(_held(generation))
        keys[name] = ",".join(derive(secret, f"{purpose}/{one}").hex() for one in newest_first)
    return {"RAPPORT_OPERATOR_KEYS": operator_keys(secret, generation=generation), **keys}


def operator_keys(secret: str, *, generation: int = 1) -> str:
    """The JWKS (RFC 7517) by which operator tokens are checked: of a generation and the last.

    To rotate without a gap: give the services the next generation, then sign with it; what the
    last one has signed holds until it expires.
    """
    shown = [
        _signing_key(secret, one).as_dict(private=False, use="sig", kid=_name(secret, one))
        for one in _held(generation)
    ]
    return json.dumps({"keys": shown}, separators=(",", ":"))


def _held(generation: int) -> range:
    """The generations of keys that a service has: one, and the last before it."""
    return range(max(1, generation - 1), generation + 1)


def mint(
    secret: str,
    workspace: str,
    *,
    scopes: Sequence[str] = ("*",),
    hours: float = 24,
    subject: str,
    installation: bool = False,
    generation: int = 1,
) -> str:
    """Sign a token (JWT, RFC 7519, with Ed25519) that every service accepts for `hours`.

    `installation` adds the claim for work on all workspaces at once, as positions are.
    """
    from joserfc import jwt  # noqa: PLC0415 - see `_signing_key`

    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "workspace": workspace,
        "scopes": list(scopes),
        "iat": now,
        "exp": now + int(hours * 3600),
    }
    if installation:
        claims["installation"] = True
    header = {"alg": "Ed25519", "kid": _name(secret, generation)}
    return jwt.encode(header, claims, _signing_key(secret, generation), algorithms=["Ed25519"])


def _signing_key(secret: str, generation: int) -> "OKPKey":
    # Not at the top: a supervisor that signs nothing keeps the 25 MB that this import costs.
    from joserfc.jwk import OKPKey  # noqa: PLC0415

    seed = derive(secret, f"operator-signature/{generation}")
    packed = base64.b64encode(_ED25519 + seed).decode()
    return OKPKey.import_key(f"-----BEGIN PRIVATE KEY-----\n{packed}\n-----END PRIVATE KEY-----\n")


def _name(secret: str, generation: int) -> str:
    """The key's id: its thumbprint (RFC 7638)."""
    return _signing_key(secret, generation).thumbprint()
