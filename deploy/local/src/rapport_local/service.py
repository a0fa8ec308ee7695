"""One of the five services as a server: its start, its migration, its readiness."""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING

from typing_extensions import override

from rapport_local.ports import HOST
from rapport_local.process import Program, spawn
from rapport_local.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from threading import Event

OK = 200
ANSWER_SECONDS = 3.0


class Service(Server):
    """A service started by `command` + `run`; `env` is added to our own environment."""

    def __init__(
        self, name: str, port: int, log: Path, *, command: Sequence[str], env: Mapping[str, str]
    ) -> None:
        super().__init__(name, port, log)
        self.command = tuple(command)
        self.env = dict(env)

    @override
    def program(self) -> Program:
        """Return the command that serves."""
        return self._program("run")

    @override
    def ready(self) -> bool:
        """Ask /readyz."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def migrate(self, stop: Event) -> None:
        """Bring the schema to its newest form; raises `migration_failed`. Ends early on `stop`."""
        running = spawn(self._program("migrate"), self.log)
        while not running.exited.wait(0.05) and running.lived < self.ready_seconds:
            if stop.is_set():
                break
        if running.alive:
            running.stop()
        if running.exit_code != 0 and not stop.is_set():
            raise self.failure("migration_failed", "could not migrate its schema")

    def _program(self, action: str) -> Program:
        return Program(argv=(*self.command, action), env={**_inherited(), **self.env})


def _inherited() -> dict[str, str]:
    """Our environment, but services may keep bytecode: compiling costs more than starting."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
