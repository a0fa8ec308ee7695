"""What a workspace's own recommender is asked, and what its answer says (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from rapport_campaign.domain.products import sku_of
from rapport_common.secret_keys import SecretKeys

MOST_PEOPLE = 50
"""Of one question."""
MOST_ANSWERED = 100
"""Products of one person that are read of an answer."""
SHORTEST_MS, USUAL_MS, LONGEST_MS = 50, 500, 3000


class RecommenderKeys(SecretKeys):
    """The keys under which secrets of recommenders are kept."""

    __slots__ = ()
    kind: ClassVar[str] = "recommender"


@dataclass(frozen=True, slots=True)
class Account:
    """Where a workspace's recommender is; `secret` is sealed, `deadline_ms` of a question."""

    workspace: str
    url: str
    secret: str
    deadline_ms: int
    updated_at: datetime
    updated_by: str


def place_of(workspace: str) -> str:
    """Where the secret of a workspace belongs."""
    return f"{workspace}/recommender"


def question(
    slot: str, n: int, people: Mapping[str, Sequence[str]], barred: Mapping[str, frozenset[str]]
) -> bytes:
    """The body of a question; `people` by profile id, with their user ids."""
    asked = [
        {"profile_id": person, "user_ids": list(ids), "exclude": sorted(barred.get(person, ()))}
        for person, ids in people.items()
    ]
    return msgspec.json.encode({"type": "recommend", "slot": slot, "n": n, "people": asked})


def answered(body: Mapping[str, Any], people: Mapping[str, Any]) -> dict[str, list[str]]:
    """The skus of those who were asked for; what is none, and who was not, is passed over."""
    told = body.get("people")
    found: dict[str, list[str]] = {}
    for one in told if isinstance(told, list) else ():
        if not isinstance(one, dict):
            continue
        person, skus = one.get("profile_id"), one.get("skus")
        if isinstance(person, str) and person in people and isinstance(skus, list):
            named = [sku_of(each) for each in skus[:MOST_ANSWERED]]
            found[person] = [each for each in named if each is not None]
    return found
