"""Where a file to import is: uploaded, below the operator's folder, or in the operator's S3."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from rapport_common.errors import InvalidRequestError, UnavailableError
from rapport_ingest.settings import IngestSettings

PASSING = ("NETWORK_CONNECTION", "SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE", "timeout")
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """An open file, its size in bytes, and what would change if it were another one."""

    file: BinaryIO
    size: int
    fingerprint: str


def check_uri(uri: str, settings: IngestSettings) -> None:
    """InvalidRequestError for an address from which nothing may be read here."""
    if uri.startswith("s3://"):
        _bucket_path(uri, settings)
    else:
        _allowed(uri, settings)


def open_uri(uri: str, settings: IngestSettings) -> Found:
    """Open the file at `s3://bucket/key`, or at a path below the import folder."""
    return (
        _open_s3(uri, settings) if uri.startswith("s3://") else open_path(_allowed(uri, settings))
    )


def open_path(path: Path) -> Found:
    """Open a file on disk. InvalidRequestError: there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        message = f"The file can't be opened: {error.strerror}."
        raise InvalidRequestError(message, code="no_file") from error
    found = os.fstat(descriptor)
    file = os.fdopen(descriptor, "rb", buffering=0)
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise InvalidRequestError("The path does not name a file.", code="no_file")
    return Found(file, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")


def _allowed(uri: str, settings: IngestSettings) -> Path:
    """The real path, all links followed, if it is below the import folder."""
    if settings.import_folder is None:
        message = "uri: files on ingest's disk are only read below RAPPORT_IMPORT_FOLDER, not set."
        raise InvalidRequestError(message, details={"path": "uri"})
    folder = settings.import_folder.resolve()
    try:
        path = (folder / uri.removeprefix("file://")).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidRequestError("uri: no path.", details={"path": "uri"}) from error
    if not path.is_relative_to(folder) or "://" in uri.removeprefix("file://"):
        message = "uri: it is s3://bucket/key, or a path below RAPPORT_IMPORT_FOLDER."
        raise InvalidRequestError(message, details={"path": "uri"})
    return path


def _bucket_path(uri: str, settings: IngestSettings) -> str:
    if settings.s3_endpoint is None or not settings.s3_access_key or not settings.s3_secret_key:
        message = "uri: no S3 is set up here; set RAPPORT_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY."
        raise InvalidRequestError(message, details={"path": "uri"})
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key or ".." in key.split("/") or "?" in bucket or "@" in bucket:
        raise InvalidRequestError("uri: it is s3://bucket/key.", details={"path": "uri"})
    return f"{bucket}/{key}"


def _open_s3(uri: str, settings: IngestSettings) -> Found:
    """Only ever from the store that the settings name, whatever the address says."""
    from pyarrow import fs  # noqa: PLC0415 - 30 MB of memory, for those who use S3

    path = _bucket_path(uri, settings)
    endpoint = urlsplit(settings.s3_endpoint or "")
    secret = settings.s3_secret_key
    try:
        system = fs.S3FileSystem(
            access_key=settings.s3_access_key,
            secret_key=secret.get_secret_value() if secret else None,
            region=settings.s3_region,
            scheme=endpoint.scheme,
            endpoint_override=endpoint.netloc,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
        )
        info = system.get_file_info(path)
        file = system.open_input_file(path)
    except OSError as error:
        if any(one in str(error) for one in PASSING):
            raise UnavailableError(f"S3 does not answer: {error}") from error
        message = f"{uri} can't be read: {error}."
        raise InvalidRequestError(message, code="no_file") from error
    return Found(file, info.size, f"{info.size}-{info.mtime_ns}")
