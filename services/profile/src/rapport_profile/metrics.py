"""The Prometheus metrics of profile."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

EVENTS = Counter(
    "rapport_profile_events_total",
    "Events by what became of them: profiled, duplicate, replaced (a copy that counts instead), "
    "erased (of somebody who was forgotten since they were received).",
    ["outcome"],
)
REDUCED = Counter(
    "rapport_profile_reduced_states_total",
    "Records of profiles so large that only the newest part of what they tell is published.",
)
REPUBLISHED = Counter(
    "rapport_profile_republished_total", "Profiles told again by jobs that republish."
)
REPUBLISHED_EVENTS = Counter(
    "rapport_profile_republished_events_total", "Events told again by jobs that republish."
)
UNANSWERED = Gauge(
    "rapport_privacy_unanswered_seconds",
    "Since when the oldest wish to be forgotten waits for the answer of a service; 0 if none does.",
    ["answering"],
)
OVERDUE = Gauge(
    "rapport_privacy_overdue",
    "Requests of people that should be done by law and are not.",
    ["kind"],
)
COMPARED = Counter(
    "rapport_profile_pairs_compared_total", "Pairs of people compared by the finder of duplicates."
)
JUDGED = Counter(
    "rapport_profile_duplicates_judged_total",
    "Pairs of which an operator has said what they are: merged, dismissed.",
    ["state"],
)
LAST_MONTH = Gauge(
    "rapport_profile_timeline_ends_timestamp_seconds",
    "The end of the last month that timelines have a part for, as a Unix time.",
)
SEARCH_WRITTEN = Counter(
    "rapport_profile_search_written_total", "Profiles whose row in search was looked at anew."
)
SEARCH_FAILURES = Counter(
    "rapport_profile_search_failures_total", "Pieces of search that could not be written."
)
SEARCH_AGE = Gauge(
    "rapport_profile_search_oldest_age_seconds",
    "For how long the oldest change of a profile has waited to be found by search.",
)
BOUNDED_VALUES = Counter(
    "rapport_profile_bounded_values_total",
    "Values of computed traits that were told of the newest part, because there was too much.",
)
LOYALTY_SETTLED = Counter(
    "rapport_profile_loyalty_settled_total",
    "Members of loyalty programmes whose points and tier were worked out anew.",
)
GROUPS_SETTLED = Counter(
    "rapport_profile_groups_settled_total",
    "Groups whose traits were worked out anew.",
)
LOYALTY_FACTS = Counter(
    "rapport_profile_loyalty_facts_total",
    "Facts that were gone through to work out points and tiers: since a checkpoint, or all.",
)
EXPORTED = Counter("rapport_profile_exported_total", "Profiles that were told in exports.")
for _state in ("merged", "dismissed"):
    JUDGED.labels(_state)
for _outcome in ("profiled", "duplicate", "replaced", "erased"):
    EVENTS.labels(_outcome)


def count(outcomes: Mapping[str, int]) -> None:
    """Add what became of a batch."""
    for outcome, number in outcomes.items():
        EVENTS.labels(outcome).inc(number)
