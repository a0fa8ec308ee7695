"""Where the services are, and with which secret and workspace to speak to them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")
DEFAULT_PORT_BASE = 8100
DEFAULT_WORKSPACE = "demo"
HOME_NAME = ".rapport"


@dataclass(frozen=True)
class Config:
    """What a call needs to know.

    `urls` maps each service to its base URL; `token` is a ready operator token that wins over one
    minted from `secret` with the key of that `generation`; `maildir` may not exist.
    """

    home: Path
    urls: Mapping[str, str]
    workspace: str = DEFAULT_WORKSPACE
    secret: str | None = None
    token: str | None = None
    generation: int = 1
    maildir: Path = field(default_factory=Path)

    @classmethod
    def from_environment(cls, workspace: str | None = None) -> Self:
        """Read the environment first, then what the local runtime left in its home folder."""
        home = find_home(os.environ.get("RAPPORT_HOME"), Path.cwd())
        credentials = _read_json(home / "credentials.json")
        chosen = workspace or os.environ.get("RAPPORT_WORKSPACE")
        return cls(
            home=home,
            urls=_urls(home),
            workspace=chosen or credentials.get("workspace") or DEFAULT_WORKSPACE,
            secret=os.environ.get("RAPPORT_SECRET") or credentials.get("secret"),
            # A ready token is for one workspace: asking for another one needs the secret.
            token=None if chosen else os.environ.get("RAPPORT_TOKEN"),
            generation=int(os.environ.get("RAPPORT_KEY_GENERATION") or "1"),
            maildir=Path(os.environ.get("RAPPORT_MAILDIR") or home / "mail"),
        )

    def url(self, service: str) -> str:
        """Return a service's base URL; raises `unknown_service`."""
        if service not in self.urls:
            raise CliError(
                "unknown_service",
                f"There is no service '{service}'. Choose from {', '.join(SERVICES)}.",
            )
        return self.urls[service]


def find_home(named: str | None, start: Path) -> Path:
    """Return the local runtime's folder: the named one, else the nearest `.rapport` upwards."""
    if named:
        return Path(named).expanduser()
    for folder in (start, *start.parents):
        if (folder / HOME_NAME).is_dir():
            return folder / HOME_NAME
    return start / HOME_NAME


def _urls(home: Path) -> dict[str, str]:
    base = _port_base(home)
    return {
        name: os.environ.get(f"RAPPORT_{name.upper()}_URL") or f"http://127.0.0.1:{base + index}"
        for index, name in enumerate(SERVICES)
    }


def _port_base(home: Path) -> int:
    text = os.environ.get("RAPPORT_PORT_BASE")
    if not text:
        running = _read_json(home / "stack.json").get("ports") or {}
        return int(running.get("base", DEFAULT_PORT_BASE))
    if not text.isdigit():
        raise CliError("bad_port_base", f"RAPPORT_PORT_BASE is '{text}'. Give a number.")
    return int(text)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        message = f"{path} can't be read: {error}. Repair or remove it."
        raise CliError("bad_file", message) from error
    return found if isinstance(found, dict) else {}
