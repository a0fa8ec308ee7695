"""Settings of feedback: how long links, answers and complaints may take."""

import re
from datetime import date, time, timedelta, tzinfo
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from rapport_common.mail.mailboxes import Mailbox
from rapport_common.outside.addresses import Network, networks
from rapport_common.settings import PurposeKey, ServiceSettings
from rapport_common.zones import UnknownZoneError, known_zone
from rapport_feedback.domain.hours import Calendar, on_days
from rapport_feedback.domain.policies import ServiceLevels
from rapport_feedback.domain.webhook_keys import WebhookKeys

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock_time(given: object) -> object:
    """`24:00` is the end of the day, which Python's times do not have."""
    if isinstance(given, str) and re.fullmatch(r"24:00(:00)?", given.strip()):
        return time.max
    return given


ClockTime = Annotated[time, BeforeValidator(_clock_time)]


class Settings(ServiceSettings):
    """Deadlines default to one business day and eight weeks; offices are open Monday to Friday."""

    event_key: PurposeKey = Field(description="Kafka's keys of events derive from it.")
    link_key: PurposeKey = Field(description="Signs the links to surveys.")
    consumer_pace: float = Field(
        default=0.1, ge=0, le=1, description="It follows everybody: fewer, larger batches."
    )
    webhook_keys: SecretStr = Field(
        description="Under which secrets of webhooks are kept, the newest first, commas between."
    )
    webhook_networks: str = Field(
        default="",
        description="Private networks (CIDR, comma separated) that webhooks may be in; else none.",
    )
    webhook_retention_days: int = Field(
        default=7, ge=1, le=90, description="Of posts to webhooks that were taken or given up."
    )
    invitation_days: int = Field(default=30, ge=1, le=3650)
    answer_grace_minutes: int = Field(default=60, ge=0, description="A score may still change.")
    complaints_per_link: int = Field(default=10, ge=1, description="Bound of a public form.")
    reply_cases: bool = Field(
        default=True, description="Answers of people to mails open cases, or go on with theirs."
    )
    complaint_port: int = Field(
        default=0, ge=0, le=65535, description="Where complaints by mail are taken; 0: nowhere."
    )
    complaint_host: str = Field(default="", description="On which address; empty: as the API.")
    complaint_protocol: Literal["smtp", "lmtp"] = "lmtp"
    complaint_greeting: str = Field(default="rapport", description="Our name in the greeting.")
    complaint_connections: int = Field(default=20, ge=1, le=1000, description="Open at a time.")
    complaint_bytes: int = Field(
        default=15 * 2**20, ge=2**16, le=25 * 2**20, description="The largest mail that is taken."
    )
    complaint_mailbox: SecretStr = Field(
        default=SecretStr(""),
        description="A mailbox with complaints: imaps://user:password@host:port/folder.",
    )
    complaint_mailbox_seconds: float = Field(default=60, ge=1, description="From look to look.")
    acknowledge_business_hours: float = Field(default=8, gt=0, le=2000)
    resolve_days: int = Field(default=56, ge=1, le=3650)
    reopen_days: int = Field(default=90, ge=0, le=3650)
    business_zone: str = "UTC"
    business_days: frozenset[Day] = Field(
        default=frozenset(DAYS[:5]), description='JSON list of mon, tue, …; `["mon", "sat"]`.'
    )
    business_opens: ClockTime = time(9)
    business_closes: ClockTime = Field(
        default=time(17), description="24:00 is the day's end; no later than opens: the next day."
    )
    holidays: frozenset[date] = Field(default_factory=frozenset, description="JSON list of dates.")

    @field_validator("complaint_mailbox")
    @classmethod
    def _is_mailbox(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            Mailbox.of(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _offices_open(self) -> Self:
        if not self.business_days:
            message = "RAPPORT_BUSINESS_DAYS must name a day: nothing would ever be due"
            raise ValueError(message)
        zone_of(self.business_zone)
        return self

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("webhook_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        try:
            WebhookKeys.read(value.get_secret_value())
        except ValueError:
            # Without what stood there: a key that is cut is still a secret.
            message = "keys are 64 hexadecimal digits each; `rapport keys feedback` prints them"
            raise ValueError(message) from None
        return value

    def secret_keys(self) -> WebhookKeys:
        """The keys under which secrets of webhooks are kept."""
        return WebhookKeys.read(self.webhook_keys.get_secret_value())

    def own_networks(self) -> list[Network]:
        """The private networks that may be posted to."""
        return networks(self.webhook_networks)

    def service_levels(self) -> ServiceLevels:
        """The clocks of complaint cases."""
        days = map(DAYS.index, self.business_days)
        week = on_days(days, self.business_opens, self.business_closes)
        return ServiceLevels(
            calendar=Calendar(week, zone_of(self.business_zone), self.holidays),
            acknowledge=timedelta(hours=self.acknowledge_business_hours),
            resolve=timedelta(days=self.resolve_days),
            reopen=timedelta(days=self.reopen_days),
        )


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name; ValueError for one that is not known here."""
    try:
        return known_zone(name)
    except UnknownZoneError as error:
        message = f"RAPPORT_BUSINESS_ZONE: {error}"
        raise ValueError(message) from error
