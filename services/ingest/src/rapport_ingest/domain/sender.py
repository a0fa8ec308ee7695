"""A source as the hot path needs it: its policy, compiled."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapport_ingest.domain.guard import Guard
from rapport_ingest.domain.plan import Plan, PlannedEvent
from rapport_ingest.domain.source import Caller, Policy
from rapport_ingest.domain.transform import Transformer, compile_transforms


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose events these are, and what their policy asks; None where it asks nothing."""

    caller: Caller
    policy: Policy
    guard: Guard | None
    transform: Transformer | None
    plan: Plan | None


def compiled(caller: Caller, policy: Policy, planned: Sequence[PlannedEvent]) -> Sender:
    """A source with this policy and these planned events."""
    rules = policy.plan
    return Sender(
        caller,
        policy,
        Guard(policy) if policy.allowed_origins or policy.allowed_ips else None,
        compile_transforms(policy.transforms),
        Plan(planned) if planned or rules.unplanned != "allow" else None,
    )
