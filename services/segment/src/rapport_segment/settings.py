"""The settings of the service."""

from pydantic import Field, SecretStr, field_validator

from rapport_common.outside.addresses import Network, networks
from rapport_common.settings import PurposeKey, ServiceSettings
from rapport_segment.domain.secret_keys import SecretKeys


class Settings(ServiceSettings):
    """What is segment's own."""

    event_key: PurposeKey = Field(
        description="The identity key: identifiers on lists are known by it when somebody asks."
    )
    webhook_keys: SecretStr = Field(
        description="Under which secrets of webhooks are kept, the newest first, commas between."
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

    @field_validator("webhook_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        try:
            SecretKeys.read(value.get_secret_value())
        except ValueError:
            # Without what stood there: a key that is cut is still a secret.
            message = "keys are 64 hexadecimal digits each; `rapport keys segment` prints them"
            raise ValueError(message) from None
        return value

    def secret_keys(self) -> SecretKeys:
        """The keys under which secrets of webhooks are kept."""
        return SecretKeys.read(self.webhook_keys.get_secret_value())

    def own_networks(self) -> list[Network]:
        """The private networks that may be posted to."""
        return networks(self.webhook_networks)
