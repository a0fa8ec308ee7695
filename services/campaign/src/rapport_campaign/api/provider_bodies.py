"""What operators send and get of accounts with providers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from rapport_campaign.api.contents import ContentBody
from rapport_campaign.api.words import Line
from rapport_campaign.domain.accounts import AccountState, CheckResult, Member
from rapport_campaign.domain.delivery import Contact, Fault, Result
from rapport_campaign.domain.pacing import Warmup
from rapport_campaign.domain.parcels import Channel
from rapport_campaign.domain.providers import MAX_FIELD, MAX_SECRET, VENDORS, fields_of
from rapport_campaign.handlers.carrying import Carried
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.operator.texts import StorableText

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]

VendorName = Literal[
    "aliyun", "apns", "fcm", "tencent", "twilio", "web_push", "webhook", "wechat", "whatsapp"
]
Word = Annotated[str, Field(max_length=100)]
Settings = Annotated[
    dict[Word, Annotated[StorableText, Field(max_length=MAX_FIELD)]], Field(max_length=20)
]
Secrets = Annotated[
    dict[Word, Annotated[StorableText, Field(max_length=MAX_SECRET)]], Field(max_length=5)
]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
_WEBHOOK: JsonDict = {
    "name": "Our CRM",
    "vendor": "webhook",
    "settings": {"url": "https://crm.example.com/hook"},
    "secrets": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAA"},
}
_SHOWN: JsonDict = {
    "id": "0199d0e2-2b00-7000-8000-000000000001",
    "name": "Twilio",
    "channel": "sms",
    "vendor": "twilio",
    "settings": {"account_sid": "AC00000000000000000000000000000000", "from": "Shop"},
    "secrets": ["auth_token"],
    "state": "active",
    "version": 1,
    "per_second": 10,
    "burst": 10,
    "priority": 100,
    "currency": "EUR",
    "prices": [{"prefix": "49", "amount": "0.07"}],
    "warmup": {"starts_on": "2026-01-31", "first": 50, "growth": 2, "enough": 10000},
    "standing": {
        "state": "left_alone",
        "reason": "401 20003 Authenticate",
        "until_at": "2026-01-31T09:31:00Z",
        "used_today": 12,
        "allowed_today": 50,
    },
    "check": {
        "result": "refused",
        "reason": "401 20003 Authenticate",
        "at": "2026-01-31T09:30:00Z",
    },
    "created_at": "2026-01-31T09:00:00Z",
    "created_by": "ada",
    "changed_at": "2026-01-31T09:00:00Z",
}
_CHANGE: JsonDict = {"version": 1, "state": "paused"}


class PriceBody(BaseModel):
    """What a segment of a text (else a message) to numbers that begin so costs."""

    prefix: str = Field(pattern="^[0-9]{0,8}$", description="digits; empty: all others")
    amount: Decimal = Field(ge=0, le=1000, max_digits=10, decimal_places=6)


class WarmupBody(BaseModel):
    """So many messages on the first day, and so many times as many on each that follows."""

    starts_on: date
    first: int = Field(ge=1, le=10**9)
    growth: float = Field(ge=1, le=10, description="2: twice as many each day")
    enough: int = Field(ge=1, le=10**9, description="from so many a day on there is no bound")


class _Paced(BaseModel):
    model_config = ConfigDict(extra="forbid")

    per_second: float = Field(10, gt=0, le=10_000, description="messages, of all processes")
    burst: int = Field(10, ge=1, le=10_000, description="at most at once")
    priority: int = Field(100, ge=1, le=1000, description="the smallest is asked first")
    currency: Currency | None = None
    prices: list[PriceBody] = Field(default_factory=list, max_length=500)
    warmup: WarmupBody | None = None


class NewProviderAccount(_Paced):
    """An account; `GET /v1/vendors` tells which settings and secrets a vendor asks for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _WEBHOOK})

    name: Line
    vendor: VendorName
    settings: Settings
    secrets: Secrets


class ProviderAccountChange(BaseModel):
    """What shall be otherwise; of settings and secrets only those that are named change."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _CHANGE})

    version: int = Field(description="the one that was looked at")
    name: Line | None = None
    state: AccountState | None = None
    settings: Settings | None = None
    secrets: Secrets | None = None
    per_second: float | None = Field(None, gt=0, le=10_000)
    burst: int | None = Field(None, ge=1, le=10_000)
    priority: int | None = Field(None, ge=1, le=1000)
    currency: Currency | None = None
    prices: list[PriceBody] | None = Field(None, max_length=500)
    warmup: WarmupBody | None = None


class ShownStanding(BaseModel):
    """How an account stands. `left_alone`: nothing is tried before `until_at`; then one message
    asks whether it is well again.
    """

    state: Literal["working", "left_alone", "asking", "paused"]
    reason: str | None
    until_at: datetime | None
    used_today: int = Field(description="messages, of the day in UTC")
    allowed_today: int | None = Field(description="while it is warmed up")


class ShownCheck(BaseModel):
    """What the vendor said when it was asked."""

    result: CheckResult
    reason: str | None
    at: datetime


class ShownProviderAccount(_Paced):
    """An account. Of its secrets only the names are shown."""

    model_config = ConfigDict(json_schema_extra={"example": _SHOWN})

    id: str
    name: str
    channel: Channel
    vendor: VendorName
    settings: dict[str, str]
    secrets: list[str]
    state: AccountState
    version: int
    standing: ShownStanding
    check: ShownCheck | None
    created_at: datetime
    created_by: str
    changed_at: datetime


class Trial(BaseModel):
    """One message, to one address, by this account, whatever its pace."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"to": "+4915112345678", "content": {"text": "Hello"}}},
    )

    to: Annotated[StorableText, Field(min_length=1, max_length=4000)]
    content: ContentBody


class TrialView(BaseModel):
    """What became of it. `uncertain`: nobody knows whether it was taken."""

    result: Result
    reason: str | None
    provider_id: str | None = Field(description="by what the provider knows it")
    fault: Fault | None
    contact: Contact | None
    segments: int
    cost: Decimal | None
    currency: str | None


class ShownField(BaseModel):
    """One value of an account."""

    name: str
    help: str
    required: bool
    default: str | None


class ShownVendor(BaseModel):
    """A provider, and what an account with it needs."""

    name: str
    channel: Channel
    settings: list[ShownField]
    secrets: list[ShownField]
    documentation_url: str


def shown(member: Member) -> ShownProviderAccount:
    account, standing = member
    at, result = standing.checked_at, standing.check_result
    return ShownProviderAccount(
        id=account.account_id,
        name=account.name,
        channel=account.channel,
        vendor=account.vendor,  # type: ignore[arg-type] # it was one when it was made
        settings=dict(account.settings),
        secrets=sorted(VENDORS[account.vendor].secrets),
        state=account.state,
        version=account.version,
        per_second=account.pace.per_second,
        burst=account.pace.burst,
        priority=account.priority,
        currency=account.currency,
        prices=[PriceBody(prefix=one.prefix, amount=one.amount) for one in account.prices],
        warmup=_shown_warmup(account.warmup),
        standing=_standing(member),
        check=ShownCheck(result=result, reason=standing.check_reason, at=at)
        if at and result
        else None,
        created_at=account.created_at,
        created_by=account.created_by,
        changed_at=account.changed_at,
    )


def _standing(member: Member) -> ShownStanding:
    account, standing = member
    now = clock.now()
    breaker = standing.breaker
    state: Literal["working", "left_alone", "asking", "paused"] = "working"
    if account.state == "paused":
        state = "paused"
    elif not breaker.is_closed:
        state = "left_alone" if now.timestamp() < breaker.until else "asking"
    until = datetime.fromtimestamp(breaker.until, now.tzinfo) if state == "left_alone" else None
    return ShownStanding(
        state=state,
        reason=breaker.reason if state != "working" else None,
        until_at=until,
        used_today=standing.used if standing.day == now.date() else 0,
        allowed_today=account.warmup.allowed(now.date()) if account.warmup else None,
    )


def trial(carried: Carried) -> TrialView:
    outcome, bill = carried.outcome, carried.bill
    return TrialView(
        result=outcome.result,
        reason=outcome.reason,
        provider_id=outcome.provider_id,
        fault=outcome.fault,
        contact=outcome.contact,
        segments=bill.segments,
        cost=bill.cost,
        currency=bill.currency,
    )


def shown_vendor(one: Any) -> ShownVendor:
    def fields(wanted: Any) -> list[ShownField]:
        return [
            ShownField(name=name, help=it.help, required=it.default is None, default=it.default)
            for name, it in wanted.items()
        ]

    return ShownVendor(
        name=one.name,
        channel=one.channel,
        settings=fields(fields_of(one)),
        secrets=fields(one.secrets),
        documentation_url=one.document,
    )


def _shown_warmup(one: Warmup | None) -> WarmupBody | None:
    if one is None:
        return None
    return WarmupBody(starts_on=one.starts, first=one.first, growth=one.growth, enough=one.enough)
