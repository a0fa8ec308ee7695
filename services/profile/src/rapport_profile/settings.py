"""The settings of profile."""

from pydantic import Field

from rapport_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """What profile has beside the common settings."""

    inbox_retention_days: int = Field(
        default=0, ge=0, description="0 keeps the inbox for ever: no copy is ever taken twice."
    )
    timeline_retention_days: int = Field(
        default=0, ge=0, description="0 keeps events for ever; else their sums stay, they go."
    )
