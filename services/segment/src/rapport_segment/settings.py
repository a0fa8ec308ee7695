"""The settings of the service."""

from pydantic import Field

from rapport_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """What is segment's own."""

    job_retention_days: int = Field(default=30, ge=1, description="Of jobs that have ended.")
    event_retention_days: int = Field(
        default=3660,
        ge=1,
        description="Of events that rules ask for: none of them looks further back.",
    )
