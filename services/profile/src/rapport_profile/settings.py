"""The settings of profile."""

from pydantic import Field

from rapport_common.settings import PurposeKey, ServiceSettings
from rapport_profile.domain.deadlines import Law


class Settings(ServiceSettings):
    """What profile has beside the common settings."""

    event_key: PurposeKey = Field(
        description="The installation's identity key: identifiers are stored under it, for ever."
    )
    receipt_key: PurposeKey = Field(description="Signs final receipts of erasures.")
    privacy_law: Law = Field(
        default="gdpr",
        description="What people ask for is due in 30 days (gdpr), or 15 working days (pipl).",
    )
    access_days: int = Field(
        default=7, ge=1, le=30, description="How long a file of all that is known can be read."
    )
    inbox_retention_days: int = Field(
        default=0, ge=0, description="0 keeps the inbox for ever: no copy is ever taken twice."
    )
    timeline_retention_days: int = Field(
        default=0, ge=0, description="0 keeps events for ever; else their sums stay, they go."
    )
    republish_rate: int = Field(
        default=2_000, ge=1, le=100_000, description="Records per second of a republishing job."
    )
    rebuild_rate: int = Field(
        default=2_000, ge=1, le=100_000, description="Identifiers per second of a rebuilding job."
    )
    fill_rate: int = Field(
        default=2_000,
        ge=1,
        le=100_000,
        description="Identifiers or profiles per second of a job that fills computed traits, or "
        "points.",
    )
    duplicates_rate: int = Field(
        default=2_000, ge=1, le=100_000, description="Profiles per second of a search for pairs."
    )
    quality_rate: int = Field(
        default=5_000, ge=1, le=100_000, description="Profiles per second of a look at quality."
    )
    search_rate: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="Profiles per second that search is told of, at most.",
    )
    searched_traits: str = Field(
        default="city,company,organization,address.city",
        description="Traits that are searched besides names: paths, comma separated.",
    )
    job_retention_days: int = Field(default=30, ge=1, description="Of jobs that have ended.")

    def chosen_traits(self) -> frozenset[str]:
        """The paths of `searched_traits`."""
        return frozenset(filter(None, (one.strip() for one in self.searched_traits.split(","))))
