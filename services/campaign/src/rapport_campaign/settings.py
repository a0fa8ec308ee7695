"""Settings of campaign: the mail server and how hard it is used."""

import hashlib
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, field_validator, model_validator

from rapport_campaign.domain.delivery import Limits
from rapport_campaign.domain.feeds import FeedKeys
from rapport_campaign.domain.mail_servers import DEFAULT_POOL, MailServer, mail_servers
from rapport_campaign.domain.provider_keys import ProviderKeys
from rapport_campaign.domain.recommenders import RecommenderKeys
from rapport_campaign.domain.resolvers import servers
from rapport_campaign.domain.sender_domains import domain_name
from rapport_campaign.domain.signing_keys import SigningKeys
from rapport_campaign.domain.webhook_keys import WebhookKeys
from rapport_campaign.render.compose import Office
from rapport_common.mail.mailboxes import Mailbox
from rapport_common.outside.addresses import Network, networks
from rapport_common.settings import ProxiedSettings, PurposeKey, key_bytes


class Settings(ProxiedSettings):
    """Defaults suit the mail catcher of the local runtime."""

    event_key: PurposeKey = Field(description="Kafka's keys of events derive from it.")
    link_key: PurposeKey = Field(description="Signs the links in mails.")
    signing_keys: SecretStr = Field(
        description="Under which private keys of sender domains are kept, the newest first, commas "
        "between."
    )
    webhook_networks: str = Field(
        default="",
        description="Private networks (CIDR, comma separated) that providers, webhooks and data "
        "feeds may be in; else none.",
    )
    webhook_retention_days: int = Field(
        default=7, ge=1, le=90, description="Of posts to webhooks that were taken or given up."
    )
    dns_servers: str = Field(
        default="",
        description="Who is asked for records of sender domains: addresses with commas between, "
        "each with a port or not; else who the system asks.",
    )
    spf_include: str = Field(
        default="", description="What SPF records have to include for the mail server."
    )
    consumer_pace: float = Field(
        default=0.1, ge=0, le=1, description="It follows everybody: fewer, larger batches."
    )
    database_pool: int = Field(default=10, ge=2, le=100)
    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(ge=1, le=65535)
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_tls: Literal["none", "starttls", "tls"] = "none"
    smtp_servers: SecretStr = Field(
        default=SecretStr(""),
        description="Several mail servers in place of the one above, blanks between them: "
        "smtp+starttls://user:password@host:port?connections=2&pace=50 (also smtp, smtps); name= "
        "before one begins a pool of that name.",
    )
    smtp_hostname: str = Field(default="", description="Our name in EHLO; of the sender if empty.")
    smtp_timeout: float = Field(default=30, gt=0, le=300, description="Seconds for one mail.")
    mail_from: str = Field(default="", description="Sender of transactional mail.")
    bounce_domain: str = Field(
        default="",
        description="Where mails go that can't be delivered: the domain of their envelope's "
        "sender; empty: to who they are from.",
    )
    reply_domain: str = Field(
        default="", description="Where answers go; empty: to who the mail is from."
    )
    intake_port: int = Field(
        default=0, ge=0, le=65535, description="Where mails to these domains are taken; 0: nowhere."
    )
    intake_host: str = Field(default="", description="On which address; empty: as the API.")
    intake_protocol: Literal["smtp", "lmtp"] = "smtp"
    intake_connections: int = Field(default=20, ge=1, le=1000, description="Open at a time.")
    intake_bytes: int = Field(
        default=10 * 2**20, ge=2**16, le=2**26, description="The largest mail that is taken."
    )
    scanner_seconds: float = Field(
        default=2, ge=0, le=60, description="Clicks so soon after a mail was sent are a scanner's."
    )
    mailbox_url: SecretStr = Field(
        default=SecretStr(""),
        description="A mailbox with bounces: imaps://user:password@host:port/folder.",
    )
    mailbox_seconds: float = Field(default=60, ge=1, description="From one look to the next.")
    sender_lanes: int = Field(default=2, ge=1, le=16, description="Batches sent side by side.")
    sender_connections: int = Field(default=4, ge=1, le=64, description="Connections per lane.")
    sender_batch: int = Field(default=100, ge=1, le=1000, description="Mails per batch.")
    render_seconds: float = Field(default=1, gt=0, le=30, description="Processor time of a mail.")
    data_folder: Path = Field(
        default=Path("/var/tmp/rapport-campaign"),  # noqa: S108 - made for its owner alone
        description="Which mails of a batch were begun: what a kill leaves behind for the next "
        "process on this machine.",
    )
    lease_seconds: float = Field(default=120, gt=0, description="Then a send is uncertain.")
    segment_wait_seconds: float = Field(
        default=3, gt=0, le=10, description="A new segment may be so long on its way to us."
    )
    opt_ins_per_hour: int = Field(
        default=1000, ge=0, description="Mails to who has said a yes on a page, of a workspace."
    )
    restored_at: AwareDatetime | None = Field(
        default=None,
        description="When the database was restored from a backup (RFC 3339): what happened before "
        "calls for no mail, and what was planned before is uncertain, as the ledger has forgotten "
        "what was sent since the backup.",
    )
    job_retention_days: int = Field(default=30, ge=1, description="Of jobs that have ended.")
    max_attempts: int = Field(default=12, ge=1, le=100)
    retry_seconds: float = Field(default=2, gt=0, description="First delay; it doubles.")

    @field_validator("bounce_domain", "reply_domain")
    @classmethod
    def _are_domains(cls, value: str) -> str:
        return domain_name(value) if value else ""

    @field_validator("mailbox_url")
    @classmethod
    def _is_mailbox(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            Mailbox.of(value.get_secret_value())
        return value

    @field_validator("smtp_servers")
    @classmethod
    def _are_mail_servers(cls, value: SecretStr) -> SecretStr:
        mail_servers(value.get_secret_value())
        return value

    @field_validator("dns_servers")
    @classmethod
    def _are_servers(cls, value: str) -> str:
        servers(value)
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _are_own_networks(cls, value: str) -> str:
        networks(value)
        return value

    @field_validator("signing_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr) -> SecretStr:
        try:
            SigningKeys.read(value.get_secret_value())
        except ValueError:
            # Without what stood there: a key that is cut is still a secret.
            message = "keys are 64 hexadecimal digits each; `rapport keys campaign` prints them"
            raise ValueError(message) from None
        return value

    @model_validator(mode="after")
    def _lease_outlives_a_mail(self) -> Self:
        # A mail takes up to two time-outs, and is not begun when that could outlive the lease.
        if self.lease_seconds < 3 * self.smtp_timeout:
            message = "RAPPORT_LEASE_SECONDS must be at least three times RAPPORT_SMTP_TIMEOUT"
            raise ValueError(message)
        return self

    @property
    def greeting(self) -> str:
        """Our name in EHLO (RFC 5321, 4.1.1.1): the one set, else the domain mails come from."""
        domain = self.service_from.rpartition("@")[2].rstrip(">")
        return self.smtp_hostname or domain

    @property
    def service_from(self) -> str:
        """The sender of mails that no campaign names one for."""
        host = urlsplit(self.link_base()).hostname or ""
        named = any(part.isalpha() for part in host.split("."))
        return self.mail_from or f"no-reply@{host if named and '.' in host else 'localhost'}"

    def office(self) -> Office:
        """What all mails share."""
        return Office(
            link_key=key_bytes(self.link_key),
            base_url=self.link_base(),
            service_from=self.service_from,
            bounce_domain=self.bounce_domain,
            reply_domain=self.reply_domain,
        )

    def returning_domains(self) -> frozenset[str]:
        """The domains whose mails are for us."""
        return frozenset(one for one in (self.bounce_domain, self.reply_domain) if one)

    def mail_servers(self) -> list[MailServer]:
        """Who mails are handed to: those listed; if none is in the pool `default`, the one is."""
        listed = mail_servers(self.smtp_servers.get_secret_value())
        if any(one.pool == DEFAULT_POOL for one in listed):
            return listed
        password = self.smtp_password
        usual = MailServer(
            host=self.smtp_host,
            port=self.smtp_port,
            tls=self.smtp_tls,
            username=self.smtp_username,
            password=password.get_secret_value() if password else None,
        )
        return [usual, *listed]

    def mail_pools(self) -> list[str]:
        """The names of the pools of mail servers."""
        return list(dict.fromkeys(one.pool for one in self.mail_servers()))

    @property
    def journal_folder(self) -> Path:
        """Where senders on this database note what they have begun."""
        database = self.database_url.get_secret_value().encode()
        return self.data_folder / "sending" / hashlib.sha256(database).hexdigest()[:16]

    def secret_keys(self) -> SigningKeys:
        """The keys under which private keys of sender domains are kept."""
        return SigningKeys.read(self.signing_keys.get_secret_value())

    def provider_keys(self) -> ProviderKeys:
        """The keys under which secrets of accounts with providers are kept."""
        return ProviderKeys.read(self.signing_keys.get_secret_value())

    def webhook_keys(self) -> WebhookKeys:
        """The keys under which secrets of webhooks are kept."""
        return WebhookKeys.read(self.signing_keys.get_secret_value())

    def feed_keys(self) -> FeedKeys:
        """The keys under which secret headers of data feeds are kept."""
        return FeedKeys.read(self.signing_keys.get_secret_value())

    def recommender_keys(self) -> RecommenderKeys:
        """The keys under which secrets of recommenders are kept."""
        return RecommenderKeys.read(self.signing_keys.get_secret_value())

    def own_networks(self) -> list[Network]:
        """The private networks that may be spoken to."""
        return networks(self.webhook_networks)

    def limits(self) -> Limits:
        """How long a send may take, and how often it is tried."""
        return Limits(
            lease=self.lease_seconds,
            max_attempts=self.max_attempts,
            first_delay=self.retry_seconds,
        )
