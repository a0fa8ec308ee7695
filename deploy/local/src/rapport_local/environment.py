"""The environment of a component, for shells and tests that want to run one by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapport_local.credentials import operator_token
from rapport_local.errors import LocalError
from rapport_local.ports import HOST, SERVICES
from rapport_local.provision import DATABASE, service_url

if TYPE_CHECKING:
    from rapport_local.config import Config
    from rapport_local.credentials import Credentials


def exports(config: Config, credentials: Credentials, component: str = "") -> dict[str, str]:
    """Return a service's settings, or (no component) what a client of the whole stack needs.

    Raises `unknown_component`.
    """
    if component in {*SERVICES, *config.processes}:
        return config.environment(component, credentials)
    if component:
        raise LocalError(
            code="unknown_component",
            message=f"There is no service {component!r}. Choose from {', '.join(SERVICES)}.",
        )
    return _client(config, credentials)


def _client(config: Config, credentials: Credentials) -> dict[str, str]:
    # Not by the names `up` listens to: a shell that holds these must still get servers of its own.
    urls = {f"RAPPORT_{name.upper()}_URL": config.url(name) for name in SERVICES}
    return {
        **urls,
        "RAPPORT_SECRET": credentials.secret,
        "RAPPORT_WRITE_KEY": credentials.write_key or "",
        "RAPPORT_TOKEN": operator_token(credentials.secret, installation=True),
        "RAPPORT_ADMIN_DATABASE_URL": config.database_url or _own_database(config, credentials),
        "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": config.bootstrap_servers,
        "RAPPORT_MAILDIR": str(config.home.mail),
    }


def _own_database(config: Config, credentials: Credentials) -> str:
    server = f"postgresql://{HOST}:{config.ports.postgres}/{DATABASE}"
    return service_url(server, "postgres", credentials.passwords["postgres"])
