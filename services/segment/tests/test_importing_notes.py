"""What is told beside a rule that was another platform's, and what is no definition of one."""

from typing import Any

import pytest
from services.segment.tests import their_events
from services.segment.tests.test_importing import GRAPH, ID, klaviyo, listed, mautic, may_mail

from rapport_segment.domain.importing.parts import UnsupportedDefinitionError
from rapport_segment.domain.importing.peers import Peer, imported


@pytest.mark.parametrize(("peer", "document", "note"), their_events.NOTED)
def test_what_means_something_else_here_is_noted(
    peer: Peer, document: dict[str, Any], note: str
) -> None:
    found = imported(peer, document, {}, {"7": ID}, {"S4SFhi": "Order Completed"})
    assert note in " ".join(found.notes)


def test_a_name_that_was_told_and_is_not_met_is_noted() -> None:
    document = their_events.node("Performed", event="Signed Up", times=2)
    found = imported("dittofeed", document, {"plan": "club"}, {"7": ID}, {"Sigend Up": "x"})
    assert found.notes == [
        "fields: not in the definition: 'plan'",
        "segments: not in the definition: '7'",
        "events: not in the definition: 'Sigend Up'",
    ]
    many = imported("dittofeed", document, {str(one): "x" for one in range(7)}, {}, {})
    assert many.notes == ["fields: not in the definition: '0', '1', '2', '3', '4' (2 more)"]
    met = imported("dittofeed", document, {}, {}, {"Signed Up": "Registered"})
    assert (met.rule["count"], met.notes) == ("Registered", [])


@pytest.mark.parametrize(
    ("peer", "within", "beside"),
    [
        ("dittofeed", {"definition": GRAPH}, {"entryNode": {"type": "Everyone", "id": "e"}}),
        ("klaviyo", {"data": {"attributes": {}}}, {"definition": klaviyo(may_mail("email"))}),
        ("klaviyo", {"definition": klaviyo(may_mail("sms"))}, klaviyo(may_mail("email"))),
        ("mautic", {"list": mautic(("and", "a", "text", "=", "x"))}, {"filters": []}),
        ("notifuse", {"tree": listed("in")}, listed("not_in")),
    ],
)
def test_one_definition_beside_another_is_none(
    peer: Peer, within: dict[str, Any], beside: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedDefinitionError) as refused:
        imported(peer, {**within, **beside}, {}, {"7": ID}, {})
    assert "just one of them" in refused.value.details["problems"][0]["message"]


def test_of_very_many_problems_the_first_hundred_are_told() -> None:
    with pytest.raises(UnsupportedDefinitionError) as refused:
        imported("klaviyo", klaviyo(*[{"type": "profile-region"}] * 150), {}, {}, {})
    told = [one["path"] for one in refused.value.details["problems"]]
    assert told == [f"condition_groups[{place}].conditions[0]" for place in range(100)]
    assert "(99 more in details.problems)" in refused.value.message


def test_a_difference_is_noted_once() -> None:
    once, twice = (
        imported("klaviyo", klaviyo(*[may_mail("email")] * times), {}, {}, {}) for times in (1, 2)
    )
    assert len(once.notes) == 1
    assert twice.notes == once.notes
