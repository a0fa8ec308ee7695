"""A source as the hot path needs it: its policy, compiled."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapport_common.events.envelope import Trust
from rapport_common.events.identifiers import NONE_MORE
from rapport_common.events.money import normal_currency
from rapport_ingest.domain.guard import Guard
from rapport_ingest.domain.naming import Namer, fields_of
from rapport_ingest.domain.plan import Plan, PlannedEvent
from rapport_ingest.domain.source import DEFAULT_KIND, SECRET, Caller, Kind, SourcePolicy, trust_of
from rapport_ingest.domain.transform import Transformer, compile_transforms


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose events these are, and what their policy asks; None where it asks nothing.

    `blocked` are the workspace's own placeholders, in plain form. `secret`: its key has no business
    in a browser, where everybody could read it.
    """

    caller: Caller
    policy: SourcePolicy
    guard: Guard | None
    transform: Transformer | None
    plan: Plan | None
    kind: Kind = DEFAULT_KIND
    trust: Trust = "trusted"
    currency: str | None = None
    blocked: frozenset[str] = NONE_MORE
    secret: bool = False
    namer: Namer | None = None


def compiled(
    caller: Caller,
    policy: SourcePolicy,
    planned: Sequence[PlannedEvent],
    *,
    kind: Kind = DEFAULT_KIND,
    blocked: frozenset[str] = NONE_MORE,
) -> Sender:
    """A source of this kind with this policy and these planned events."""
    return Sender(
        caller,
        policy,
        Guard(policy) if policy.allowed_origins or policy.allowed_ips else None,
        compile_transforms(policy.transforms, fields_of(policy.identifiers)),
        Plan(planned) if planned or policy.plan.unplanned != "allow" else None,
        kind,
        trust_of(kind),
        normal_currency(policy.currency),
        blocked,
        kind in SECRET,
        Namer(policy.identifiers, policy.country, blocked) if policy.identifiers else None,
    )
