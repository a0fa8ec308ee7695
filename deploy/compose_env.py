"""Writes .env with fresh random secrets for docker-compose.yml, unless there is one."""

import os
import secrets
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / ".env"
SERVICES = ("INGEST", "PROFILE", "SEGMENT", "CAMPAIGN", "FEEDBACK")
NAMES = ("RAPPORT_SECRET", "POSTGRES_PASSWORD", *(f"{name}_DB_PASSWORD" for name in SERVICES))


def main() -> int:
    lines = [f"{name}={secrets.token_hex(24)}\n" for name in NAMES]
    try:
        handle = os.open(TARGET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{TARGET} is there already and stays as it is; delete it for new secrets.")
        return 0
    with os.fdopen(handle, "w") as file:
        file.writelines(lines)
    print(f"Wrote {TARGET}. Next: docker compose up --build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
