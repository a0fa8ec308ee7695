"""A stack of its own on free ports and in a temporary home, with an operator's HTTP client."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.bench.cpu import Meter

from rapport_local.config import Config
from rapport_local.credentials import operator_token
from rapport_local.paths import Home
from rapport_local.ports import HOST, SERVICES, Ports
from rapport_local.stack import Stack

WORKSPACE = "bench"


@dataclass(frozen=True)
class Place:
    """A running stack; `start_seconds` is how long it took until all was ready."""

    stack: Stack
    client: httpx.Client
    start_seconds: float

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.stack.config.bootstrap_servers

    @property
    def postgres(self) -> str:
        """The superuser's URL without a database."""
        password = self.stack.credentials().passwords["postgres"]
        return f"postgresql://postgres:{password}@{HOST}:{self.stack.config.ports.postgres}"

    def meter(self) -> Meter:
        """Reads what each component uses of the CPU; not valid any more after one is killed."""
        names = (*self.stack.config.processes, "kafka", "postgres")
        return Meter({name: (self.stack.pid(name),) for name in names})

    def get(self, service: str, path: str) -> dict[str, Any]:
        """GET JSON as an operator."""
        return self._json(self.client.get(self.stack.url(service) + path))

    def post(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST JSON as an operator."""
        return self._json(self.client.post(self.stack.url(service) + path, json=body))

    def patch(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH JSON as an operator."""
        return self._json(self.client.patch(self.stack.url(service) + path, json=body))

    def put(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT JSON as an operator."""
        return self._json(self.client.put(self.stack.url(service) + path, json=body))

    def write_key(self, source: str) -> str:
        """Make a source; returns its write key."""
        return str(self.post("ingest", "/v1/sources", {"name": source})["write_key"])

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


@contextmanager
def running(
    services: tuple[str, ...] = SERVICES,
    *,
    split: tuple[str, ...] = (),
    workers: int = 1,
    kept: Path | None = None,
    service_env: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Place]:
    """Start a stack of these services; everything is gone afterwards, but for what is `kept`.

    Those that are `split` serve in one process and work in another. `workers` are ingest's.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
        home = Home.at(kept or Path(folder) / "home")
        own = {"ingest": {"RAPPORT_WORKERS": str(workers)}, **(service_env or {})}
        stack = Stack(
            Config(home=home, ports=Ports.free(), services=services, split=split, service_env=own)
        )
        began = time.perf_counter()
        stack.start()
        seconds = time.perf_counter() - began
        token = operator_token(stack.credentials().secret, workspace=WORKSPACE, installation=True)
        try:
            with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
                yield Place(stack, client, seconds)
        finally:
            stack.stop()
            if kept is None:
                home.remove()
