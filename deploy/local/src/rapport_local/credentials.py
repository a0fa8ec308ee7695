"""The secrets of one local home, made once and kept in a file only its owner can read."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from rapport_local.files import write_private
from rapport_local.ports import SERVICES

if TYPE_CHECKING:
    from pathlib import Path

DEMO_WORKSPACE = "demo"


@dataclass
class Credentials:
    """Everything secret: `RAPPORT_SECRET`, database passwords by role, the seeded write key.

    `database_urls` holds each service's own database URL once the roles have been made.
    """

    secret: str
    passwords: dict[str, str]
    database_urls: dict[str, str] = field(default_factory=dict)
    workspace: str = DEMO_WORKSPACE
    source: str | None = None
    write_key: str | None = None
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file, or make new secrets and write it. `RAPPORT_SECRET` wins if it is set."""
        if path.exists():
            found = cls(**json.loads(path.read_text()), path=path)
        else:
            roles = ("postgres", *SERVICES)
            passwords = {role: secrets.token_urlsafe(24) for role in roles}
            found = cls(secret=secrets.token_urlsafe(48), passwords=passwords, path=path)
        found.secret = os.environ.get("RAPPORT_SECRET") or found.secret
        found.save()
        return found

    def save(self) -> None:
        """Write the file in one step, mode 0600."""
        if self.path is not None:
            data = {key: value for key, value in asdict(self).items() if key != "path"}
            write_private(self.path, json.dumps(data, indent=2) + "\n")


def operator_token(
    secret: str,
    *,
    workspace: str = DEMO_WORKSPACE,
    scopes: tuple[str, ...] = ("*",),
    hours: int = 24,
    installation: bool = False,
) -> str:
    """Mint an operator token (JWT, HS256) that the services accept for `hours`.

    `installation` adds the claim for work on all workspaces at once, as positions are.
    """
    # Not at the top: the supervisor never mints one, and this import costs it 25 MB.
    from joserfc import jwt  # noqa: PLC0415
    from joserfc.jwk import OctKey  # noqa: PLC0415

    # The services derive the key in the same way (`rapport_common.keys`), which we may not import.
    key = hmac.digest(secret.encode(), b"rapport/operator-token", "sha256")
    now = int(time.time())
    claims = {
        "iss": "rapport",
        "aud": "rapport",
        "sub": "local-operator",
        "workspace": workspace,
        "scopes": list(scopes),
        "iat": now,
        "exp": now + hours * 3600,
    }
    if installation:
        claims["installation"] = True
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))
