"""A source of events: whose it is, and the rules its operator has set for it."""

from typing import Literal, NamedTuple

import msgspec

from rapport_common.events.envelope import Trust
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


Kind = Literal["web", "app", "device", "server", "pos", "import", "partner"]
PUBLIC: frozenset[Kind] = frozenset({"web", "app", "device"})
"""Kinds whose write key is in everybody's hands: in a page, an app, a thing that was sold."""

SECRET: frozenset[Kind] = frozenset({"server", "import", "partner"})
"""Kinds whose write key never leaves a server; a till's may well run in a browser of its own."""

DEFAULT_KIND: Kind = "server"


MEANINGS: dict[Trust, str] = {
    "public": "Its key may stand where everybody can read it. What it says of consent can only "
    "lower it, or grant unconfirmed; addresses that it tells of are unverified.",
    "trusted": "Its key stays on your servers: what it says of consent and addresses holds. "
    "Never put it into a page or an app.",
}
"""What a trust means, for operators."""


def trust_of(kind: Kind) -> Trust:
    """What the word of a source of this kind is worth."""
    return "public" if kind in PUBLIC else "trusted"


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
    system's without one. In test mode events are judged and shown, and none is kept. `currency`
    (ISO 4217) is that of orders that name none. `identifiers` says in which fields an event has
    which kind of identifier, {kind: dotted paths}; `country` (ISO 3166-1 alpha-2) is that of phone
    numbers that name none.
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
    currency: str | None = None
    webhook_preset: Shop | None = None
    identifiers: dict[str, tuple[str, ...]] = {}
    country: str | None = None


class WorkspacePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of all sources of a workspace.

    `blocked_identifiers` stand for nobody in this workspace, whatever their case: a till's
    `walk-in-4711`, an address that the staff types for everybody.
    """

    blocked_identifiers: tuple[str, ...] = ()


DEFAULT = Policy()
