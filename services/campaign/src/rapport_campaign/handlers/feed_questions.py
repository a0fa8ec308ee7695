"""What a message asks of a feed: at which address, and with whom it shares the answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rapport_campaign.domain.feed_addresses import filled, places
from rapport_campaign.domain.feeds import LEAST_KEPT_SECONDS, Feed
from rapport_campaign.domain.model import State
from rapport_campaign.handlers.feed_memory import Owner, Place
from rapport_campaign.render.compose import Job, person_variables

ONCE_SECONDS = 90 * 86_400.0
"""What is asked once for a run is kept so long."""
NO_VALUE = "a value that its address needs is missing"


@dataclass(frozen=True, slots=True)
class Question:
    """One answer that is wanted; two with the same place are the same. `url` None: there can be
    none. `owner`: for whom it is asked.
    """

    place: Place
    feed: Feed = field(compare=False)
    url: str | None = field(compare=False)
    owner: Owner = field(compare=False)

    @property
    def key(self) -> str:
        """What the answers of one feed are told apart by."""
        return self.place[3]

    @property
    def is_shared(self) -> bool:
        """Whether all processes give the same."""
        return self.feed.spec.kind == "run"

    @property
    def seconds(self) -> float:
        """For how long an answer counts."""
        kept = self.feed.spec.cache_seconds
        return ONCE_SECONDS if kept is None else max(float(kept), LEAST_KEPT_SECONDS)


def question(feed: Feed, job: Job) -> Question:
    """What a message asks of a feed."""
    claimed = job.claimed
    campaign = claimed.campaign_id or ""
    variables = variables_of(
        feed, job.state, address=job.address, profile_id=claimed.profile_id, campaign_id=campaign
    )
    url = filled(feed.spec.address, variables)
    key = hashlib.sha256((url or "").encode()).hexdigest()
    if feed.spec.cache_seconds is None:
        key = f"{campaign} {key}"
    place = (feed.workspace, feed.name, feed.version, key)
    return Question(place, feed, url, (claimed.workspace, claimed.profile_id))


def variables_of(
    feed: Feed, state: State | None, *, address: str, profile_id: str, campaign_id: str
) -> Mapping[str, Any]:
    """What may be put into the address of a feed; of a person only what is needed."""
    campaign = {"id": campaign_id}
    if not any(one.startswith("person.") for one in places(feed.spec.address)):
        return {"campaign": campaign}
    seen = person_variables(state, address)["profile"]
    identifiers: dict[str, str] = {}
    for one in sorted(state.identifiers, key=lambda each: each.value) if state else []:
        identifiers.setdefault(one.kind, one.value)
    person = {
        "id": profile_id,
        "address": address,
        "traits": seen["traits"],
        "computed": seen["computed"],
        "identifiers": identifiers,
    }
    return {"person": person, "campaign": campaign}
