"""The settings of the service."""

from pydantic import Field, field_validator

from rapport_common.settings import PurposeKey, ServiceSettings
from rapport_segment.domain.addresses import Network, networks


class Settings(ServiceSettings):
    """What is segment's own."""

    event_key: PurposeKey = Field(
        description="The identity key: identifiers on lists are known by it when somebody asks."
    )
    job_retention_days: int = Field(default=30, ge=1, description="Of jobs that have ended.")
    event_retention_days: int = Field(
        default=3660,
        ge=1,
        description="Of events that rules ask for: none of them looks further back.",
    )
    webhook_networks: str = Field(
        default="",
        description="Private networks (CIDR, comma separated) that webhooks may be in; else none.",
    )
    webhook_retention_days: int = Field(
        default=30, ge=1, description="Of posts to webhooks that were given up."
    )

    audience_file_days: int = Field(
        default=14, ge=1, description="Of files for advertising platforms; the newest two are kept."
    )

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks(value)
        return value

    def own_networks(self) -> list[Network]:
        """The private networks that may be posted to."""
        return networks(self.webhook_networks)
