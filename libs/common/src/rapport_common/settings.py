"""The settings every service has; a service adds its own in its `settings.py`."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_MIN_LENGTH = 32


class ServiceSettings(BaseSettings):
    """Read from the environment, prefix `RAPPORT_`; a missing or short secret refuses the start."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(description="postgresql://role:password@host:port/database")
    kafka_bootstrap_servers: str = Field(description="host:port, comma separated")
    secret: SecretStr = Field(min_length=SECRET_MIN_LENGTH, description="All keys derive from it.")
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    metrics_port: int = Field(ge=1, le=65535)
    replica: str = Field(default="0", description="Slot of this replica, for static membership.")
    public_url: str = Field(default="", description="Base URL put into links; default host:port.")
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    connections: int = Field(
        default=4096, ge=8, description="Open at a time; then idle ones make room, or it is a 503."
    )
    database_pool: int = Field(default=5, ge=1, le=100, description="Connections of the API.")
    worker_pool: int = Field(default=4, ge=1, le=100, description="Connections of the workers.")
    request_seconds: float = Field(
        default=10, gt=0, le=60, description="The longest a statement of an API request may take."
    )
    consumer_batch: int = Field(default=1000, ge=1, le=10_000, description="Records per batch.")
    session_timeout_ms: int = Field(default=10_000, ge=1000, description="Kafka group session.")
    outbox_batch: int = Field(default=2000, ge=1, le=10_000)
    dead_letter_retention_days: int = Field(default=90, ge=1)
    kafka_partitions: int = Field(default=12, ge=1, description="For topics created at the start.")
    kafka_replication: int = Field(default=1, ge=1)

    def link_base(self) -> str:
        """The base of public links, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
