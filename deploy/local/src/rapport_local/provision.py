"""Making the database, roles and schemas of the services, with psql so that any libpq URL works."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from rapport_local.errors import LocalError
from rapport_local.paths import repository
from rapport_local.ports import SERVICES
from rapport_local.postgres import client_environment, installed

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE = "rapport"
SCHEMAS = repository() / "deploy" / "postgres" / "schemas.sql"


def create_database(server_url: str, name: str = DATABASE) -> str:
    """Create a database unless it is there; returns its URL (of the same user)."""
    if not _psql(server_url, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
        _psql(server_url, f'CREATE DATABASE "{name}"')
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def provision(url: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Create or update a role and a schema per service; returns each service's own URL.

    `passwords` maps role to password. When the user of `url` may not create roles, all services
    share that user, each with its own schema. Raises `database_setup_failed`.
    """
    try:
        _create_roles(url, passwords)
    except LocalError as error:
        if "permission denied to create role" not in error.message:
            raise
        _create_schemas(url)
        return dict.fromkeys(SERVICES, url)
    return {name: service_url(url, name, passwords[name]) for name in SERVICES}


def service_url(url: str, role: str, password: str) -> str:
    """Return `url` with another user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password, safe='')}@{host}"))


def _create_roles(url: str, passwords: Mapping[str, str]) -> None:
    secrets = {f"{name.upper()}_DB_PASSWORD": passwords[name] for name in SERVICES}
    _run(url, ["-f", str(SCHEMAS)], secrets)


def _create_schemas(url: str) -> None:
    for name in SERVICES:
        if not _psql(url, f"SELECT 1 FROM pg_namespace WHERE nspname = '{name}'"):
            _psql(url, f'CREATE SCHEMA "{name}"')


def _psql(url: str, statement: str) -> str:
    return _run(url, ["-c", statement], {})


def _run(url: str, arguments: list[str], extra: Mapping[str, str]) -> str:
    psql = installed() / "bin" / "psql"
    done = subprocess.run(
        [str(psql), "-XqtA", "-v", "ON_ERROR_STOP=1", "-d", _without_password(url), *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**client_environment(), **extra, **_connection(url)},
    )
    if done.returncode != 0:
        raise _failure(url, done.stderr)
    return done.stdout.strip()


def _connection(url: str) -> dict[str, str]:
    # The password goes by the environment: every user of the machine can list command lines.
    password = urlsplit(url).password
    secret = {"PGPASSWORD": unquote(password)} if password else {}
    return {**secret, "PGCONNECT_TIMEOUT": "5", "PGOPTIONS": "-c client_min_messages=warning"}


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}@{host}" if name else host))


def _failure(url: str, output: str) -> LocalError:
    parts = urlsplit(url)
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    reason = " ".join(output.split())[:300]
    return LocalError(
        code="database_setup_failed",
        message=f"The database at {where} could not be set up: {reason}. Check DATABASE_URL, and "
        "that its user may create roles and schemas.",
        details={"database": where, "reason": reason},
    )
