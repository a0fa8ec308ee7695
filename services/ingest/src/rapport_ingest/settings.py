"""The settings of ingest, on top of what every service has."""

from pydantic import Field, field_validator

from rapport_common.settings import ServiceSettings
from rapport_ingest.domain.guard import network

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
    trusted_proxies: str = Field(
        default="",
        description="Networks (CIDR, comma separated) whose word on a client's address is taken.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in filter(None, value.split(",")):
            network(one)
        return value

    def proxies(self) -> list[str]:
        """The networks of the trusted proxies, one by one."""
        return [one for one in self.trusted_proxies.split(",") if one.strip()]
