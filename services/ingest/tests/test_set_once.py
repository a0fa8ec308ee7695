"""What SDKs set only where there is nothing is said so, and no rule at the door overlooks it.

The bodies are those of mixpanel 5.4.1, posthog 7.91.1 and amplitude-analytics 1.3.0.
"""

from typing import Any

import pytest
from services.ingest.tests.test_dialects_more import amplitude, events, opened
from services.ingest.tests.test_transform import changed

from rapport_ingest.domain.dialects import Dialect
from rapport_ingest.domain.dialects.amplitude import Amplitude
from rapport_ingest.domain.dialects.mixpanel import Mixpanel
from rapport_ingest.domain.dialects.posthog import PostHog
from rapport_ingest.domain.naming import Namer
from rapport_ingest.domain.set_once import all_told, traits_said

KEY = "rk_0123456789ab_0123456789abcdef0123456789abcdef"
IN_PYTHON = {"$lib": "posthog-python", "$lib_version": "7.91.1", "$is_server": True}
FIRST = {"first": 1}


def posthog(event: str, **item: Any) -> dict[str, Any]:
    properties = {**item.pop("properties", {}), **IN_PYTHON}
    return {
        "api_key": KEY,
        "batch": [{"event": event, "distinct_id": "u", "properties": properties, **item}],
    }


MIXPANEL: dict[str, Any] = {"$token": KEY, "$distinct_id": "u", "$time": 1795974644.19}
SENT: dict[str, tuple[Dialect, Any, dict[str, Any]]] = {
    "posthog.set_once": (
        PostHog(browser=False),
        posthog("$set_once", **{"$set_once": FIRST}),
        {"$set_once": FIRST},
    ),
    "posthog.set": (
        PostHog(browser=False),
        posthog("$set", **{"$set": {"plan": "pro"}}),
        {"plan": "pro"},
    ),
    "posthog.capture": (
        PostHog(browser=False),
        posthog("x", properties={"$set_once": FIRST, "$set": {"plan": "pro"}}),
        {"$set_once": FIRST, "plan": "pro"},
    ),
    "mixpanel.people_set_once": (
        Mixpanel(profiles=True),
        [{**MIXPANEL, "$set_once": {"$email": "a@example.com", **FIRST}}],
        {"$set_once": FIRST, "email": "a@example.com"},
    ),
    "amplitude.Identify.set_once": (
        Amplitude(),
        {
            "api_key": KEY,
            "events": [
                amplitude(
                    event_type="$identify",
                    user_properties={"$setOnce": FIRST, "$set": {"plan": "pro"}},
                )
            ],
        },
        {"$set_once": FIRST, "plan": "pro"},
    ),
}


@pytest.mark.parametrize("call", SENT)
def test_what_an_sdk_sets_once_is_set_once(call: str) -> None:
    dialect, body, wanted = SENT[call]
    found = opened(dialect, body)
    assert found.refusals == {}
    *_, who = events(found)
    assert (who["type"], who["traits"]) == ("identify", wanted)


def test_a_groups_traits_are_as_they_were() -> None:
    group = [{**MIXPANEL, "$group_id": "g", "$set_once": FIRST, "$set": {"plan": "pro"}}]
    (told,) = events(opened(Mixpanel(profiles=True), group))
    assert (told["type"], told["traits"]) == ("group", {**FIRST, "plan": "pro"})


def test_an_unsubscribe_that_is_set_once_is_one() -> None:
    once = {"$email": "a@example.com", "$unsubscribed": True}
    _, withdrawn = events(opened(Mixpanel(profiles=True), [{**MIXPANEL, "$set_once": once}]))
    assert withdrawn["properties"]["contact_point"] == "a@example.com"


def test_addresses_and_what_is_set_beside_are_not_once() -> None:
    once = {"email": "a@example.com", "phone": "+491705861234", "plan": "free", "first": 1}
    said = traits_said(once, {"plan": "pro"})
    addresses = {"email": "a@example.com", "phone": "+491705861234"}
    assert said == {"$set_once": FIRST, **addresses, "plan": "pro"}
    assert traits_said({"email": "x"}, {}) == {"email": "x"}
    assert all_told(said) == {**addresses, "plan": "pro", "first": 1}
    assert all_told({"$set_once": "no object"}) == {"$set_once": "no object"}


def test_what_is_to_be_dropped_or_hashed_is_so_where_it_is_said_once() -> None:
    fields = {"traits": {"$set_once": {"street": "x", "card": "7", "old": 1, "n": "5"}, "n": "6"}}
    found = changed(
        fields,
        {"op": "drop", "path": "traits.street"},
        {"op": "hash", "path": "traits.card"},
        {"op": "rename", "path": "traits.old", "to": "traits.new"},
        {"op": "cast", "path": "traits.n", "type": "number"},
    )
    once = found["traits"]["$set_once"]
    assert once.keys() == {"card", "new", "n"}
    assert len(once["card"]) == 64
    assert (once["new"], once["n"], found["traits"]["n"]) == (1, 5, 6)
    deep = "traits." + ".".join("abcdefghijklmno")
    assert changed({"traits": {}}, {"op": "drop", "path": deep}) == {"traits": {}}


def test_an_identifier_that_is_set_once_is_one_where_the_source_says_so() -> None:
    namer = Namer({"loyalty_card": ("traits.card",)}, None)
    once = {"card": "9000-17", "email": "a@example.com"}
    found, _ = namer.names({"userId": "u", "traits": {"$set_once": once}}, is_group=False)
    assert found == [("user_id", "u"), ("loyalty_card", "9000-17")]
