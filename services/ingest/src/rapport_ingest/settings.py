"""The settings of ingest, on top of what every service has."""

from pydantic import Field

from rapport_common.settings import ServiceSettings

GIB = 2**30
MAX_WORKERS = 4


class IngestSettings(ServiceSettings):
    """Read from the environment, prefix `RAPPORT_`."""

    workers: int = Field(
        default=1, ge=1, le=MAX_WORKERS, description="Processes that share the port."
    )
    listen_fd: int | None = Field(
        default=None, description="An open listening socket, given by the parent process."
    )
    parent_pid: int | None = Field(default=None, description="The parent that gave the socket.")
    spool_limit_bytes: int = Field(
        default=GIB, ge=0, description="More than this is not spooled: clients get a 503."
    )
    quarantine_retention_days: int = Field(default=30, ge=1)
    quarantine_resolved_days: int = Field(
        default=7, ge=0, description="Replayed and discarded rows are kept so long after that."
    )
