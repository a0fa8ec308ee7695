"""The settings every service has; a service adds its own in its `settings.py`."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rapport_common.proxies import Proxies, network

KEY_BYTES = 32

Role = Literal["all", "api", "worker"]
"""What a process does: it serves the API, or works on topics, jobs and all that goes on beside
requests, or both."""


def _is_key(value: SecretStr) -> SecretStr:
    try:
        size = len(bytes.fromhex(value.get_secret_value()))
    except ValueError:
        size = 0
    if size < KEY_BYTES:
        message = f"a key is {2 * KEY_BYTES} hexadecimal digits or more; `rapport keys` prints it"
        raise ValueError(message)
    return value


PurposeKey = Annotated[SecretStr, AfterValidator(_is_key)]
"""A key for one purpose, in hexadecimal digits: a service has those of its own purposes only."""


def key_bytes(key: SecretStr) -> bytes:
    """The bytes of a `PurposeKey`."""
    return bytes.fromhex(key.get_secret_value())


class ServiceSettings(BaseSettings):
    """Read from the environment, prefix `RAPPORT_`; a missing or short key refuses the start."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(description="postgresql://role:password@host:port/database")
    kafka_bootstrap_servers: str = Field(description="host:port, comma separated")
    operator_keys: str = Field(
        min_length=1,
        description="Public keys of who signs operator tokens: a JWKS (RFC 7517), or its file.",
    )
    token_hours: float = Field(
        default=24, gt=0, le=744, description="Tokens that hold for longer are refused."
    )
    idp_issuer: str = Field(
        default="", description="`iss` of an identity provider whose tokens are taken too."
    )
    idp_audience: str = Field(default="", description="`aud` that its tokens must have.")
    idp_keys: str = Field(default="", description="Its JWKS: an address, a file or the text.")
    role: Role = Field(
        default="all", description="`api` only serves, `worker` only works, `all` does both."
    )
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
    worker_pool: int = Field(default=5, ge=1, le=100, description="Connections of the workers.")
    request_seconds: float = Field(
        default=10,
        gt=0,
        le=3600,
        description="The longest a request, or a statement of it, may take from its body's end.",
    )
    watchdog_seconds: float = Field(
        default=30, ge=5, le=3600, description="A process that gives no sign for so long is ended."
    )
    consumer_batch: int = Field(default=1000, ge=1, le=10_000, description="Records per batch.")
    consumer_pace: float = Field(
        default=0.02, ge=0, le=1, description="Seconds from batch to batch, unless they are full."
    )
    session_timeout_ms: int = Field(default=10_000, ge=1000, description="Kafka group session.")
    fetch_wait_ms: int = Field(
        default=100,
        ge=1,
        le=5000,
        description="How long Kafka holds a fetch that finds nothing; at rest 500 or more.",
    )
    outbox_batch: int = Field(default=2000, ge=1, le=10_000)
    outbox_pace: float = Field(
        default=0.02, ge=0, le=1, description="Seconds from batch to batch, unless they are full."
    )
    dead_letter_retention_days: int = Field(default=90, ge=1)
    kafka_partitions: int = Field(default=12, ge=1, description="For topics created at the start.")
    kafka_replication: int = Field(default=1, ge=1)
    kafka_flush_messages: int | None = Field(
        default=None,
        ge=0,
        description="Messages after which Kafka fsyncs a topic; 0: when it likes. None: as it is.",
    )

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        given = [bool(one) for one in (self.idp_issuer, self.idp_audience, self.idp_keys)]
        if any(given) and not all(given):
            message = "idp_issuer, idp_audience and idp_keys belong together: give all or none"
            raise ValueError(message)
        return self

    @property
    def serves(self) -> bool:
        """Whether this process has the API."""
        return self.role != "worker"

    @property
    def works(self) -> bool:
        """Whether this process does what goes on beside requests."""
        return self.role != "api"

    def link_base(self) -> str:
        """The base of public links, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


class ProxiedSettings(ServiceSettings):
    """Of a service that keeps, or judges by, the address on the internet of who asks."""

    trusted_proxies: str = Field(
        default="",
        description="Networks (CIDR, comma separated) whose word on a client's address is taken.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for one in filter(str.strip, value.split(",")):
            network(one)
        return value

    def proxies(self) -> Proxies:
        """The proxies whose word is taken; there may be none."""
        return Proxies(one for one in self.trusted_proxies.split(",") if one.strip())
