"""What one stack is asked to be: folder, ports, components, extra environment."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import rapport_keys
from rapport_local.errors import LocalError
from rapport_local.files import write_private
from rapport_local.paths import Home
from rapport_local.ports import HOST, SERVICES, WORKER, WORKERS, Ports
from rapport_local.server import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rapport_local.credentials import Credentials

LEAST_START_SECONDS = 10.0
BOUNCE_DOMAIN = "bounces.localhost"
"""Where mails of the local runtime go that can't be delivered; nothing sends them by itself."""


@dataclass(frozen=True)
class Config:
    """The wish for one stack; written to `stack.json`, read by the supervisor.

    `split` are the services that run as two components: `profile` serves the API then, and
    `profile-worker` works. `database_url` and `kafka_bootstrap_servers` replace our own Postgres
    and Kafka. `env` goes to every service, `service_env` to one. `commands` replaces the program
    of a service (tests), `kafka_settings` override lines of our own Kafka's. `start_seconds` is the
    longest that the start of all, or of one component, may take.
    """

    home: Home
    ports: Ports = field(default_factory=Ports)
    services: tuple[str, ...] = SERVICES
    split: tuple[str, ...] = ()
    database_url: str | None = None
    kafka_bootstrap_servers: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    commands: Mapping[str, list[str]] = field(default_factory=dict)
    kafka_settings: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = START_SECONDS

    @classmethod
    def from_environment(cls) -> Self:
        """Read `RAPPORT_HOME`, `RAPPORT_PORT_BASE`, `RAPPORT_SPLIT`, `RAPPORT_START_SECONDS`,
        `DATABASE_URL`, `KAFKA_BOOTSTRAP_SERVERS`.
        """
        return cls(
            home=Home.from_environment(),
            ports=Ports.from_environment(),
            split=_split(os.environ.get("RAPPORT_SPLIT", "")),
            database_url=_database_url(os.environ.get("DATABASE_URL")),
            kafka_bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or None,
            start_seconds=_seconds(os.environ.get("RAPPORT_START_SECONDS")),
        )

    @classmethod
    def read(cls, home: Home) -> Self:
        """Read back what `write` wrote."""
        data = json.loads(home.config.read_text())
        data["home"] = Home(Path(data["home"]["root"]))
        data["ports"] = Ports(**data["ports"])
        data["services"] = tuple(data["services"])
        # A stack that was started before there were roles has none that is split.
        data["split"] = tuple(data.get("split", ()))
        return cls(**data)

    def write(self) -> None:
        """Save as `stack.json`, readable by the owner only (it may hold a password)."""
        write_private(self.home.config, json.dumps(asdict(self), default=str, indent=2) + "\n")

    @property
    def components(self) -> tuple[str, ...]:
        """Names of all processes of this stack, in the order of their start."""
        return (*self.infrastructure, *self.processes)

    @property
    def processes(self) -> dict[str, str]:
        """The service of each component that is a service's process."""
        found = {name: name for name in self.services}
        return found | {f"{name}{WORKER}": name for name in self.services if name in self.split}

    @property
    def infrastructure(self) -> tuple[str, ...]:
        """Names of the processes under the services that we run ourselves."""
        own = {"postgres": not self.database_url, "kafka": not self.kafka_bootstrap_servers}
        return tuple(name for name in ("postgres", "kafka", "smtp") if own.get(name, True))

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address: the given one or our own."""
        return self.kafka_bootstrap_servers or f"{HOST}:{self.ports.kafka}"

    def port(self, component: str) -> int:
        """Return the main port of a component."""
        if component in SERVICES:
            return self.ports.service(component)
        if component in self.processes:
            return self.ports.worker(self.processes[component])
        return int(getattr(self.ports, component))

    def url(self, service: str) -> str:
        """Return the base URL of a service's API."""
        return f"http://{HOST}:{self.ports.service(service)}"

    def command(self, service: str) -> list[str]:
        """Return the program of a service, to which `run` or `migrate` is added."""
        return self.commands.get(service) or [sys.executable, "-m", f"rapport_{service}"]

    def environment(self, component: str, credentials: Credentials) -> dict[str, str]:
        """Return the settings of a service's process as environment variables."""
        service = self.processes.get(component, component)
        works_apart = component != service
        metrics = self.port(component) if works_apart else self.ports.metrics(service)
        return {
            "RAPPORT_DATABASE_URL": credentials.database_urls.get(service, ""),
            "RAPPORT_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            **rapport_keys.service_settings(service, credentials.secret),
            "RAPPORT_HOST": HOST,
            "RAPPORT_PORT": str(self.ports.service(service)),
            "RAPPORT_METRICS_PORT": str(metrics),
            "RAPPORT_PUBLIC_URL": os.environ.get("PUBLIC_URL") or self.url(service),
            "RAPPORT_DATA_FOLDER": str(self.home.root / "uploads"),
            "RAPPORT_SMTP_HOST": HOST,
            "RAPPORT_SMTP_PORT": str(self.ports.smtp),
            "RAPPORT_INTAKE_PORT": str(self.ports.intake),
            "RAPPORT_BOUNCE_DOMAIN": BOUNCE_DOMAIN,
            **self.env,
            **self.service_env.get(service, {}),
            **self._role(service, works_apart=works_apart),
        }

    def _role(self, service: str, *, works_apart: bool) -> dict[str, str]:
        if service not in self.split:
            return {}
        return {"RAPPORT_ROLE": "worker" if works_apart else "api"}

    def wanted_ports(self) -> dict[int, str]:
        """Return every port this stack will listen on, with what for."""
        wanted = {self.port(name): name for name in self.components}
        if "kafka" in self.components:
            wanted[self.ports.controller] = "kafka's controller"
        if "campaign" in self.services:
            wanted[self.ports.intake] = "campaign's intake of mails"
        for name in self.services:
            for worker in range(self._workers(name)):
                wanted[self.ports.metrics(name, worker)] = f"{name}'s metrics"
        return wanted

    def _workers(self, service: str) -> int:
        """How many processes serve, at most."""
        if service != "ingest":
            return 1
        return WORKERS - 1 if service in self.split else WORKERS


def _split(text: str) -> tuple[str, ...]:
    names = tuple(name for part in text.split(",") if (name := part.strip()))
    for name in names:
        if name not in SERVICES:
            raise LocalError(
                code="unknown_component",
                message=f"RAPPORT_SPLIT: there is no service {name!r}. "
                f"Choose from {', '.join(SERVICES)}.",
            )
    return names


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or START_SECONDS)
    except ValueError:
        seconds = 0.0
    if not LEAST_START_SECONDS <= seconds < float("inf"):
        raise LocalError(
            code="bad_start_seconds",
            message=f"RAPPORT_START_SECONDS is {text!r}. Give a number of seconds from "
            f"{LEAST_START_SECONDS:g} on.",
        )
    return seconds


def _database_url(text: str | None) -> str | None:
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme.partition("+")[0] not in {"postgres", "postgresql"} or not parts.path.strip(
        "/"
    ):
        raise LocalError(
            code="bad_database_url",
            message="DATABASE_URL must look like postgresql://user:password@host:5432/database.",
        )
    # Services and psql both want the plain form, without a driver.
    return parts._replace(scheme="postgresql").geturl()
