"""A source of events: whose it is, and the rules its operator has set for it."""

from typing import Literal, NamedTuple

import msgspec

from rapport_ingest.domain.mapping import Mapping
from rapport_ingest.domain.shops import Shop
from rapport_ingest.domain.transform import Transform

Action = Literal["allow", "warn", "reject"]
Party = Literal["first", "second", "third"]
LegalBasis = Literal[
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
]
"""The six grounds of Article 6(1) GDPR."""


class Caller(NamedTuple):
    """Whose events a write key brings. A tuple: it is looked up several times for each request."""

    workspace: str
    source: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From whom the data is: our own, a partner's or bought, and why we may use it."""

    party: Party = "first"
    provider: str | None = None
    legal_basis: LegalBasis | None = None


class PlanRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of an event that breaks its schema, and of one without a schema."""

    violations: Action = "warn"
    unplanned: Action = "allow"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of one source, as they are stored and shown; `None` means no limit.

    `allowed_origins` are origins as browsers send them (`https://shop.example`), `allowed_ips`
    networks in CIDR form. `webhook` makes events of its webhooks; `webhook_preset` knows a shop
    system's without one. In test mode events are judged and shown, and none is kept.
    """

    allowed_origins: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    events_per_second: int | None = None
    events_per_day: int | None = None
    test_mode: bool = False
    ip: Literal["keep", "mask", "drop"] = "mask"
    transforms: tuple[Transform, ...] = ()
    plan: PlanRules = PlanRules()
    provenance: Provenance = Provenance()
    webhook: Mapping | None = None
    webhook_preset: Shop | None = None


DEFAULT = Policy()
