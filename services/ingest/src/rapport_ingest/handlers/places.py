"""Where a file to import is: uploaded, or in a folder or S3 prefix granted to its workspace."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from rapport_common.errors import InvalidRequestError, UnavailableError
from rapport_ingest.domain.imports import S3

if TYPE_CHECKING:  # a process that only reads has no settings, and pays for what it imports
    from rapport_ingest.settings import IngestSettings

PASSING = ("NETWORK_CONNECTION", "SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE", "timeout")
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
OPEN_FILES = Path("/proc/self/fd")
"""Where Linux tells which file a descriptor is."""


@dataclass(frozen=True, slots=True)
class Found:
    """An open file, its size in bytes, and what would change if it were another one."""

    file: BinaryIO
    size: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a workspace may read: `bucket/key` in S3, or a real path."""

    path: str
    in_s3: bool = False


def granted(uri: str, workspace: str, settings: "IngestSettings") -> Source:
    """The file at `s3://bucket/key` or at a path, if its place is granted to the workspace.

    A relative path is looked for in each granted folder. InvalidRequestError for all other
    addresses; whether the file is there is only said of those that may be read.
    """
    places = settings.import_places.get(workspace, ())
    if uri.startswith(S3):
        return Source(_key(uri, places, settings), in_s3=True)
    return Source(str(_path(uri, [one for one in places if not one.startswith(S3)])))


def _path(uri: str, folders: Sequence[str]) -> Path:
    """The real path, all links followed, below one of the folders."""
    plain = uri.removeprefix("file://")
    allowed: list[Path] = []
    try:
        for folder in folders:
            root = Path(folder).resolve()
            path = (root / plain).resolve()
            if path != root and path.is_relative_to(root) and "://" not in plain:
                allowed.append(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidRequestError("uri: no path.", details={"path": "uri"}) from error
    if not allowed:
        raise _not_granted()
    return next((one for one in allowed if one.exists()), allowed[0])


def _key(uri: str, places: Sequence[str], settings: "IngestSettings") -> str:
    """`bucket/key`, if a granted place has the same bucket and begins with the same folders."""
    name = uri.removeprefix(S3)
    parts = name.split("/")
    if len(parts) < 2 or {"", ".", ".."} & set(parts) or set("?@#\\") & set(parts[0]):  # noqa: PLR2004 - bucket and key
        raise InvalidRequestError("uri: it is s3://bucket/key.", details={"path": "uri"})
    roots = [PurePosixPath(one.removeprefix(S3)) for one in places if one.startswith(S3)]
    if not any(PurePosixPath(name).is_relative_to(root) for root in roots):
        raise _not_granted()
    if settings.s3_endpoint is None or not settings.s3_access_key or not settings.s3_secret_key:
        message = "uri: no S3 is set up here; set RAPPORT_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY."
        raise InvalidRequestError(message, details={"path": "uri"})
    return name


def _not_granted() -> InvalidRequestError:
    message = (
        "uri: this workspace may not read there. The operator grants folders and s3:// prefixes "
        "in RAPPORT_IMPORT_PLACES; a file of your own can be uploaded."
    )
    return InvalidRequestError(message, details={"path": "uri"})


def open_path(path: str) -> Found:
    """Open the file at a real path. InvalidRequestError: there is none, or another by now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        message = f"The file can't be opened: {error.strerror}."
        raise InvalidRequestError(message, code="no_file") from error
    found = os.fstat(descriptor)
    file = os.fdopen(descriptor, "rb", buffering=0)
    if not stat.S_ISREG(found.st_mode) or not _is_at(descriptor, path):
        file.close()
        raise InvalidRequestError("The path does not name a file.", code="no_file")
    return Found(file, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the open file still is the one at the path that was allowed: no folder on the way
    has become a link meanwhile.
    """
    return not OPEN_FILES.exists() or str((OPEN_FILES / str(descriptor)).readlink()) == path


def open_s3(path: str, *, endpoint: str, region: str, keys: tuple[str, str]) -> Found:
    """Open `bucket/key`, only ever in the store that the settings name."""
    from pyarrow import fs  # noqa: PLC0415 - 30 MB of memory, for those who use S3

    address = urlsplit(endpoint)
    try:
        system = fs.S3FileSystem(
            access_key=keys[0],
            secret_key=keys[1],
            region=region,
            scheme=address.scheme,
            endpoint_override=address.netloc,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
        )
        info = system.get_file_info(path)
        file = system.open_input_file(path)
    except OSError as error:
        if any(one in str(error) for one in PASSING):
            raise UnavailableError(f"S3 does not answer: {error}") from error
        message = f"{S3}{path} can't be read: {error}."
        raise InvalidRequestError(message, code="no_file") from error
    return Found(file, info.size, f"{info.size}-{info.mtime_ns}")
