"""Where the local runtime keeps its files, and the marks that make them safe to remove."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from rapport_local.errors import LocalError, disk_full

MARKER = ".rapport-home"
SCRATCH_ROOT = Path("/var/tmp")  # noqa: S108 - the only place both root and `nobody` can reach
NEEDED_BYTES = 512 * 2**20


def repository() -> Path:
    """Return the root of the checkout this package runs from."""
    return Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Home:
    """The one folder of all runtime data: `RAPPORT_HOME`, else `.rapport` in the checkout."""

    root: Path

    @classmethod
    def from_environment(cls) -> Self:
        """Read `RAPPORT_HOME`; an empty value counts as unset."""
        return cls.at(Path(os.environ.get("RAPPORT_HOME") or repository() / ".rapport"))

    @classmethod
    def at(cls, root: Path) -> Self:
        """Return the home at `root`, with symbolic links resolved."""
        return cls(root.expanduser().resolve())

    @property
    def logs(self) -> Path:
        """Folder with one log file per component."""
        return self.root / "logs"

    @property
    def mail(self) -> Path:
        """Maildir of every mail the catcher took."""
        return self.root / "mail"

    @property
    def kafka(self) -> Path:
        """Data of the Kafka node."""
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        """Data of Postgres (when root runs it, only a note that points to the scratch folder)."""
        return self.root / "postgres"

    @property
    def credentials(self) -> Path:
        """Secrets made for this home, readable by the owner only."""
        return self.root / "credentials.json"

    @property
    def config(self) -> Path:
        """What the running stack was asked to be."""
        return self.root / "stack.json"

    @property
    def state(self) -> Path:
        """What the supervisor last wrote about its components."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """File the supervisor keeps locked while it lives."""
        return self.root / "supervisor.lock"

    def log(self, component: str) -> Path:
        """Return the log file of one component."""
        return self.logs / f"{component}.log"

    def is_ours(self) -> bool:
        """Tell whether the folder carries our marker."""
        return (self.root / MARKER).is_file()

    def create(self) -> None:
        """Make the folder and its marker; refuse a folder with foreign files in it."""
        if self.root.is_dir() and not self.is_ours() and any(self.root.iterdir()):
            raise LocalError(
                code="home_not_ours",
                message=f"{self.root} holds files that are not Rapport's. Point RAPPORT_HOME to an "
                "empty or new folder.",
                details={"home": str(self.root)},
            )
        # Mails and logs hold personal data: nobody else on the machine needs to read them.
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        (self.root / MARKER).touch()
        check_space(self.root)

    def remove(self) -> None:
        """Delete the folder and its scratch folder; refuse when the marker is missing."""
        if self.root.exists() and not self.is_ours():
            raise LocalError(
                code="home_not_ours",
                message=f"{self.root} has no {MARKER} file, so it is not removed. Delete it "
                "yourself if it is Rapport's, or correct RAPPORT_HOME.",
                details={"home": str(self.root)},
            )
        Scratch.of(self.postgres).remove()
        if self.root.exists():
            shutil.rmtree(self.root)


@dataclass(frozen=True)
class Scratch:
    """A folder under `/var/tmp` for what `nobody` must reach when root runs Postgres.

    Its name is a hash of the folder it belongs to, and a file `belongs-to` inside names that
    folder, so that a scratch folder whose owner is gone can be told and removed.
    """

    root: Path
    belongs_to: Path

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return the scratch folder that belongs to `folder`."""
        key = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        return cls(SCRATCH_ROOT / f"rapport-{key}", folder)

    def create(self) -> None:
        """Make the folder, world-readable; refuse one that somebody else put there."""
        self.root.mkdir(mode=0o755, exist_ok=True)
        info = self.root.lstat()
        if self.root.is_symlink() or info.st_uid != os.getuid():
            raise LocalError(
                code="scratch_not_ours",
                message=f"{self.root} belongs to another user. Remove it, then start again.",
                details={"path": str(self.root), "uid": info.st_uid},
            )
        self.root.chmod(0o755)  # whatever the umask is: `nobody` has to pass
        (self.root / "belongs-to").write_text(str(self.belongs_to))
        check_space(self.root)

    def remove(self) -> None:
        """Delete the folder if it is ours."""
        if self._is_ours():
            shutil.rmtree(self.root)

    def _is_ours(self) -> bool:
        if self.root.is_symlink() or not self.root.is_dir():
            return False
        return self.root.stat().st_uid == os.getuid() and (self.root / "belongs-to").is_file()


def remove_orphans() -> None:
    """Delete scratch folders whose owner folder is gone and whose Postgres does not run."""
    for root in SCRATCH_ROOT.glob("rapport-*"):
        note = root / "belongs-to"
        if root.is_symlink() or not note.is_file() or root.stat().st_uid != os.getuid():
            continue
        owner = Path(note.read_text())
        if not owner.exists() and not _postgres_runs(root / "data"):
            shutil.rmtree(root, ignore_errors=True)


def _postgres_runs(data: Path) -> bool:
    pid_file = data / "postmaster.pid"
    if not pid_file.is_file():
        return False
    return psutil.pid_exists(int(pid_file.read_text().split()[0]))


def check_space(folder: Path) -> None:
    """Raise `disk_full` when less than 512 MiB are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise disk_full(folder, free)


def cache_folder(home: Home) -> Path:
    """Return a writable folder for downloads: `XDG_CACHE_HOME`, else `~/.cache`, else the home."""
    candidates = [os.environ.get("XDG_CACHE_HOME"), _user_cache()]
    for candidate in filter(None, candidates):
        folder = Path(candidate) / "rapport"
        if _writable(folder):
            return folder
    return home.root / "cache"


def _user_cache() -> str | None:
    user_home = os.environ.get("HOME")
    return f"{user_home}/.cache" if user_home else None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
