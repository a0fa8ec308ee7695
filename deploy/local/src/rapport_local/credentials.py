"""The secrets of one local home, made once and kept in a file only its owner can read."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

import rapport_keys
from rapport_local.files import write_private
from rapport_local.ports import SERVICES

if TYPE_CHECKING:
    from pathlib import Path

DEMO_WORKSPACE = "demo"


@dataclass
class Credentials:
    """The secret that all keys derive from, database passwords by role, the seeded write key.

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
    """Mint an operator token that the services accept for `hours`.

    `installation` adds the claim for work on all workspaces at once.
    """
    return rapport_keys.mint(
        secret,
        workspace,
        scopes=scopes,
        hours=hours,
        subject="local-operator",
        installation=installation,
    )
