"""The process that starts a stack, keeps each component alive, and ends them all in order."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from rapport_local import kafka
from rapport_local.board import Board
from rapport_local.config import Config
from rapport_local.credentials import Credentials
from rapport_local.errors import LocalError, disk_full, is_disk_full
from rapport_local.files import locked_soon
from rapport_local.kafka import Kafka
from rapport_local.keeper import Keeper, wait_until_ready
from rapport_local.paths import Home, cache_folder
from rapport_local.postgres import Postgres
from rapport_local.provision import create_database, provision
from rapport_local.service import Service
from rapport_local.smtp import MailCatcher

if TYPE_CHECKING:
    from rapport_local.server import Server

LARGEST_LOG = 20 * 2**20
TICK_SECONDS = 1.0
LOCK_SECONDS = 2.0


class Supervisor:
    """Runs one stack until `stop` is set."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stop = Event()
        self._credentials = Credentials.load(config.home.credentials)
        ports = {name: config.port(name) for name in config.components}
        self._board = Board(config.home.state, os.getpid(), ports)
        self._infrastructure = {
            name: self._kept(self._server(name)) for name in config.infrastructure
        }
        self._services: list[Keeper] = []

    def run(self) -> int:
        """Start everything, watch until told to stop, end everything; returns the exit code."""
        try:
            self._bring_up()
            self._watch()
        except LocalError as error:
            return self._fail(error)
        except OSError as error:
            if is_disk_full(error):
                return self._fail(disk_full(self.config.home.root))
            raise
        finally:
            self._shut_down()
        return 0

    def _fail(self, error: LocalError) -> int:
        print(error.message, file=sys.stderr, flush=True)
        self._board.phase("failed", error)
        return 1

    def _bring_up(self) -> None:
        for keeper in self._infrastructure.values():
            keeper.start()
        self._wait("postgres")
        self._set_up_database()
        services = [self._service(name) for name in self.config.processes]
        self._migrate([one for one in services if one.name in self.config.services])
        self._wait("kafka", "smtp")
        self._check_kafka()
        self._services = [self._kept(service) for service in services]
        for keeper in self._services:
            keeper.start()
        wait_until_ready(self._services, self.stop)
        if not self.stop.is_set():
            self._board.phase("ready")

    def _kept(self, server: Server) -> Keeper:
        server.ready_seconds = self.config.start_seconds
        return Keeper(server, self._board)

    def _wait(self, *names: str) -> None:
        wait_until_ready(
            [self._infrastructure[n] for n in names if n in self._infrastructure], self.stop
        )

    def _set_up_database(self) -> None:
        if not self.stop.is_set():
            url = self.config.database_url or create_database(self._postgres().url())
            self._credentials.database_urls = provision(url, self._credentials.passwords)
            self._credentials.save()

    def _migrate(self, services: list[Service]) -> None:
        for service in services:
            self._board.show(service.name, "migrating")
        with ThreadPoolExecutor(max_workers=max(1, len(services))) as pool:
            list(pool.map(lambda service: service.migrate(self.stop), services))

    def _check_kafka(self) -> None:
        given = self.config.kafka_bootstrap_servers
        if given and not kafka.reachable(given):
            raise LocalError(
                code="kafka_unreachable",
                message=f"No Kafka broker answers at {given}. Check KAFKA_BOOTSTRAP_SERVERS, "
                "or unset it to run our own.",
                details={"bootstrap_servers": given},
            )

    def _watch(self) -> None:
        while not self.stop.wait(TICK_SECONDS):
            for name in (*self.config.components, "supervisor"):
                _rotate(self.config.home.log(name))

    def _shut_down(self) -> None:
        """End the services first, so that they can finish their work, then what they stand on."""
        if self.stop.is_set():
            self._board.phase("stopping")
        for keepers in (self._services, list(self._infrastructure.values())):
            for keeper in keepers:
                keeper.ask_to_stop()
            for keeper in keepers:
                keeper.wait_stopped()

    def _server(self, name: str) -> Server:
        home, ports, log = self.config.home, self.config.ports, self.config.home.log(name)
        if name == "postgres":
            return self._postgres()
        if name == "kafka":
            cache = cache_folder(home) / "jars"
            return Kafka(
                home.kafka,
                cache=cache,
                port=ports.kafka,
                controller_port=ports.controller,
                log=log,
                settings=self.config.kafka_settings,
            )
        return MailCatcher(home.mail, port=ports.smtp, log=log)

    def _postgres(self) -> Postgres:
        home = self.config.home
        return Postgres(
            home.postgres,
            port=self.config.ports.postgres,
            password=self._credentials.passwords["postgres"],
            log=home.log("postgres"),
        )

    def _service(self, name: str) -> Service:
        return Service(
            name,
            self.config.port(name),
            self.config.home.log(name),
            command=self.config.command(self.config.processes[name]),
            env=self.config.environment(name, self._credentials),
        )


def _rotate(log: Path) -> None:
    """Keep one older part of a log that has grown too large.

    Copied and cut rather than renamed: the processes go on writing (appending) to the same file.
    """
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def main(home: Home) -> int:
    """Supervise the stack described in `stack.json` of `home` until SIGTERM or SIGINT."""
    with locked_soon(home.lock, LOCK_SECONDS) as ours:
        if not ours:
            print(f"another supervisor runs for {home.root}", file=sys.stderr)
            return 1
        home.lock.write_text(str(os.getpid()))
        supervisor = Supervisor(Config.read(home))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.stop.set())
        return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(Home.at(Path(sys.argv[1]))))
