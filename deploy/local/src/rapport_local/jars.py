"""Kafka's jar files: fetched by jgo, checked against the committed lock by us.

jgo records SHA-256 sums but never compares them, leaves an interrupted download at its final path
and fails when two processes download at once: the lock file, the check and the retry are here.
"""

from __future__ import annotations

import hashlib
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rapport_local.errors import LocalError, disk_full, is_disk_full
from rapport_local.files import locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from jgo.maven import Artifact

LOCK_FILE = Path(__file__).resolve().parents[2] / "jgo.lock.toml"
DOWNLOADS_AT_ONCE = 8
TIMEOUT_SECONDS = 60
ROOTS = (
    ("org.apache.kafka", "kafka_2.13", "4.3.0"),
    # Without a binding of its logging interface Kafka says nothing at all.
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
)


@dataclass(frozen=True)
class Jar:
    """One entry of the lock: Maven coordinates and the SHA-256 of the file."""

    group: str
    artifact: str
    version: str
    packaging: str
    classifier: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where a Maven repository keeps the file, relative to its root."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        name = f"{self.artifact}-{self.version}{suffix}.{self.packaging}"
        return Path(*self.group.split("."), self.artifact, self.version, name)

    def is_good(self, cache: Path) -> bool:
        """Tell whether the cached file is there and is the one of the lock."""
        file = cache / self.path
        return file.is_file() and _sha256(file) == self.sha256


def read_lock(lock_file: Path = LOCK_FILE) -> list[Jar]:
    """Read the committed lock."""
    entries = tomllib.loads(lock_file.read_text())["dependencies"]
    return [
        Jar(
            group=entry["groupId"],
            artifact=entry["artifactId"],
            version=entry["version"],
            packaging=entry["packaging"],
            classifier=entry.get("classifier", ""),
            sha256=entry["sha256"],
        )
        for entry in entries
    ]


def classpath(cache: Path, lock_file: Path = LOCK_FILE) -> str:
    """Return the Java class path of the locked jars in `cache` (a Maven repository folder)."""
    return ":".join(str(cache / jar.path) for jar in read_lock(lock_file))


def ensure(
    cache: Path,
    on_progress: Callable[[int, int], None] | None = None,
    lock_file: Path = LOCK_FILE,
) -> None:
    """Download what is missing or wrong in `cache`; calls `on_progress(done, total)` per jar.

    Raises `download_failed` with the jar's name, or `disk_full`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / ".lock"):
        missing = [jar for jar in read_lock(lock_file) if not jar.is_good(cache)]
        if missing:
            _download(missing, cache, on_progress or _silent)


def _silent(_done: int, _total: int) -> None:
    """Ignore progress."""


def _download(jars: list[Jar], cache: Path, on_progress: Callable[[int, int], None]) -> None:
    on_progress(0, len(jars))
    with ThreadPoolExecutor(max_workers=DOWNLOADS_AT_ONCE) as pool:
        futures = [pool.submit(_fetch, jar, cache) for jar in jars]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                on_progress(done, len(jars))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(jar: Jar, cache: Path) -> None:
    for last in (False, True):
        (cache / jar.path).unlink(missing_ok=True)
        try:
            _resolve(jar, cache)
        except OSError as error:  # requests' own errors are OSErrors too
            if is_disk_full(error):
                raise disk_full(cache) from error
            reason = _one_line(error)
        except RuntimeError as error:  # jgo: the repository does not have it
            reason = _one_line(error)
        else:
            if jar.is_good(cache):
                return
            reason = "its SHA-256 is not the one in jgo.lock.toml"
        if last:
            raise _download_failed(jar, reason)


def _resolve(jar: Jar, cache: Path) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, needed for downloads only

    context = MavenContext(repo_cache=cache, local_repos=[], timeout=TIMEOUT_SECONDS)
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    component.artifact(jar.classifier, jar.packaging).resolve()


def _download_failed(jar: Jar, reason: str) -> LocalError:
    return LocalError(
        code="download_failed",
        message=f"Kafka's {jar.path.name} could not be downloaded: {reason}. Check the network "
        "(and HTTPS_PROXY), then start again; or use a running Kafka by KAFKA_BOOTSTRAP_SERVERS.",
        details={"jar": str(jar.path), "reason": reason},
    )


def _one_line(error: Exception) -> str:
    """Say why in one line: of nested network errors the innermost, without the address."""
    return " ".join(str(error).split()).rpartition("Caused by ")[2][:200].rstrip(".")


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def write_lock(cache: Path, lock_file: Path = LOCK_FILE) -> int:
    """Resolve Kafka anew and write the lock; returns the number of jars.

    Each root is resolved by itself: together, log4j's list of versions would pull Kafka's client
    library down to an older release.
    """
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, needed here only

    context = MavenContext(repo_cache=cache, local_repos=[], timeout=TIMEOUT_SECONDS)
    found: dict[tuple[str, str, str], Jar] = {}
    for root in ROOTS:
        inputs, transitive = context.resolver.resolve([context.create_dependency(":".join(root))])
        for dependency in (*inputs, *transitive):
            jar = _locked(dependency.artifact)
            found.setdefault((jar.group, jar.artifact, jar.classifier), jar)
    lock_file.write_text("\n".join(_render(found[key]) for key in sorted(found)))
    return len(found)


def _locked(artifact: Artifact) -> Jar:
    return Jar(
        group=artifact.groupId,
        artifact=artifact.artifactId,
        version=artifact.version,
        packaging=artifact.packaging,
        classifier=artifact.classifier,
        sha256=_sha256(artifact.resolve()),
    )


def _render(jar: Jar) -> str:
    """Write one entry in the form of jgo's own lock files."""
    fields = {
        "groupId": jar.group,
        "artifactId": jar.artifact,
        "version": jar.version,
        "packaging": jar.packaging,
        "classifier": jar.classifier,
        "sha256": jar.sha256,
    }
    lines = [f'{key} = "{value}"' for key, value in fields.items() if value]
    return "\n".join(["[[dependencies]]", *lines, ""])
