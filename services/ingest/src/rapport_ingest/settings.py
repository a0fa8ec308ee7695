"""The settings of ingest, on top of what every service has."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from rapport_common.settings import ProxiedSettings, PurposeKey
from rapport_ingest.domain.imports import S3

GIB = 2**30
MAX_WORKERS = 4


class IngestSettings(ProxiedSettings):
    """Read from the environment, prefix `RAPPORT_`."""

    event_key: PurposeKey = Field(description="Kafka's keys of events derive from it.")
    write_key_pepper: PurposeKey = Field(
        description="Write keys are stored as their HMAC under it."
    )
    workers: int = Field(
        default=1, ge=1, le=MAX_WORKERS, description="Processes that share the port."
    )
    channel_fd: int | None = Field(
        default=None, description="Where the parent process hands its connections over."
    )
    parent_pid: int | None = Field(default=None, description="The parent that accepts.")
    spool_limit_bytes: int = Field(
        default=GIB, ge=0, description="More than this is not spooled: clients get a 503."
    )
    mqtt_bridges: Path | None = Field(
        default=None, description="A JSON file of MQTT brokers and bridges from them."
    )
    quarantine_retention_days: int = Field(default=30, ge=1)
    quarantine_resolved_days: int = Field(
        default=7, ge=0, description="Replayed and discarded rows are kept so long after that."
    )
    data_folder: Path = Field(
        default=Path("/var/tmp/rapport-ingest"),  # noqa: S108 - made for its owner alone
        description="Uploaded files until they are imported; shared by all replicas.",
    )
    import_places: dict[str, tuple[str, ...]] = Field(
        default={},
        description="From where each workspace may import without an upload: JSON of its folders "
        '(absolute paths) and S3 prefixes, such as {"shop": ["/srv/shop", "s3://lake/shop"]}.',
    )
    import_limit_bytes: int = Field(
        default=10 * GIB, ge=1, description="The largest file that may be uploaded."
    )
    import_memory_bytes: int = Field(
        default=GIB // 2, ge=GIB // 8, description="What the process that reads a file may use."
    )
    import_unpacked_bytes: int = Field(
        default=100 * GIB, ge=1, description="More than this no file may unfold to."
    )
    import_refused_rows: int = Field(
        default=20_000, ge=1, description="An import of which more events are refused fails."
    )
    import_refused_bytes: int = Field(
        default=64 * 2**20, ge=1, description="The same, by what the quarantine keeps of them."
    )
    import_rows_per_second: int = Field(
        default=10_000, ge=1, description="An import is held to this pace, for the live traffic."
    )
    job_retention_days: int = Field(default=90, ge=1)
    s3_endpoint: str | None = Field(
        default=None, description="http(s)://host:port of an S3-compatible store."
    )
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None

    @field_validator("import_places")
    @classmethod
    def _are_places(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for place in (one for places in value.values() for one in places):
            bucket = place.removeprefix(S3).partition("/")[0]
            if not (bucket if place.startswith(S3) else Path(place).is_absolute()):
                message = f"'{place}' is neither an absolute path nor s3://bucket/prefix"
                raise ValueError(message)
        return value
