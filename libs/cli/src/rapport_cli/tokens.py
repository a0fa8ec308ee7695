"""Operator tokens, minted from the installation's secret."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import rapport_keys
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCOPES = (
    "campaigns:approve",
    "campaigns:read",
    "campaigns:write",
    "events:read",
    "feedback:read",
    "feedback:write",
    "feeds:hosts",
    "imports:write",
    "loyalty:redeem",
    "messages:send",
    "offers:quote",
    "tasks:work",
    "ops",
    "privacy:read",
    "privacy:write",
    "profiles:export",
    "profiles:read",
    "profiles:write",
    "segments:read",
    "segments:write",
    "sources:read",
    "sources:write",
)
"""What the services ask for; `*` is all of it."""


def mint(
    secret: str | None,
    workspace: str,
    *,
    scopes: Sequence[str] = ("*",),
    hours: float = 24,
    subject: str = "cli",
    installation: bool = False,
    generation: int = 1,
) -> str:
    """Sign a token that every service accepts for `hours`; raises `no_secret`, `unknown_scope`.

    `installation` adds the claim for work on all workspaces at once, as positions are.
    """
    unknown = [one for one in scopes if one != "*" and one not in SCOPES]
    if unknown or not isfinite(hours):
        raise _wrong(unknown)
    return rapport_keys.mint(
        required(secret),
        workspace,
        scopes=scopes,
        hours=hours,
        subject=subject,
        installation=installation,
        generation=generation,
    )


def _wrong(unknown: Sequence[str]) -> CliError:
    if unknown:
        return CliError(
            "unknown_scope", f"No such scope: {', '.join(unknown)}. There are {', '.join(SCOPES)}."
        )
    return CliError("invalid_hours", "The hours that a token holds are a number, such as 24.")


def required(secret: str | None) -> str:
    """The secret; raises `no_secret` when there is none."""
    if not secret:
        raise CliError(
            "no_secret",
            "No secret to derive keys from: run this where `make up` was run, or set "
            "RAPPORT_SECRET (for tokens, RAPPORT_TOKEN will do).",
        )
    return secret
