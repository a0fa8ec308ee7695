"""The settings of the service."""

from pydantic import Field

from rapport_common.settings import PurposeKey, ServiceSettings


class Settings(ServiceSettings):
    """What is segment's own."""

    event_key: PurposeKey = Field(
        description="The identity key: identifiers on lists are known by it when somebody asks."
    )
    job_retention_days: int = Field(default=30, ge=1, description="Of jobs that have ended.")
