"""Writes .env for docker-compose.yml: fresh random secrets, and the keys that derive from them.

What .env has already stays; what it lacks is added. `RAPPORT_SECRET` is for the command line of
whoever operates the installation: no container gets it.
"""

import os
import secrets
import sys
from pathlib import Path

import rapport_keys

TARGET = Path(__file__).resolve().parents[1] / ".env"
SECRETS = (
    "RAPPORT_SECRET",
    "POSTGRES_PASSWORD",
    *(f"{name.upper()}_DB_PASSWORD" for name in rapport_keys.PURPOSES),
)


def derived(secret: str) -> dict[str, str]:
    """The keys of all services; those of one service alone are named after it."""
    found: dict[str, str] = {}
    for service in rapport_keys.PURPOSES:
        for name, value in rapport_keys.service_settings(service, secret).items():
            shared = name in {"RAPPORT_OPERATOR_KEYS", "RAPPORT_EVENT_KEY"}
            found[name if shared else name.replace("RAPPORT", service.upper())] = value
    return found


def main() -> int:
    there = TARGET.read_text() if TARGET.exists() else ""
    known = dict(line.split("=", 1) for line in there.splitlines() if "=" in line)
    wanted = {name: known.get(name) or secrets.token_hex(24) for name in SECRETS}
    wanted |= {name: f"'{value}'" for name, value in derived(wanted["RAPPORT_SECRET"]).items()}
    missing = [f"{name}={value}\n" for name, value in wanted.items() if name not in known]
    if not missing:
        print(f"{TARGET} has all that is needed and stays as it is; delete it for new secrets.")
        return 0
    start = "" if not there or there.endswith("\n") else "\n"
    handle = os.open(TARGET, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a") as file:
        file.write(start + "".join(missing))
    print(f"Wrote {TARGET}. Next: docker compose up --build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
