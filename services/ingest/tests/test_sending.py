"""What goes for all events of a sending: what is marked on each, and where each stood."""

from datetime import UTC, datetime

import msgspec

from rapport_ingest.domain.sender import compiled
from rapport_ingest.domain.sending import Sending
from rapport_ingest.domain.source import Caller, SourcePolicy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TILL = compiled(Caller("demo", "till"), SourcePolicy(), [], kind="pos")
PAGE = compiled(Caller("demo", "web"), SourcePolicy(), [], kind="web")


def test_what_is_marked_is_the_sources_trust_unless_the_request_shows_less() -> None:
    assert Sending(TILL, [], None, NOW).marks == {}
    assert Sending(PAGE, [], None, NOW).marks == {"trust": "public"}
    assert Sending(TILL, [], None, NOW, trust="public").marks == {"trust": "public"}
    assert Sending(TILL, [], None, NOW, historic=True).marks == {"historic": True}


def test_the_place_of_an_event_is_its_index_unless_it_came_with_another() -> None:
    items = [msgspec.Raw(b"{}"), msgspec.Raw(b"{}")]
    assert [Sending(PAGE, items, None, NOW).sequence(place) for place in (0, 1)] == [0, 1]
    rows = Sending(PAGE, items, None, NOW, sequences=[7, 9])
    assert [rows.sequence(place) for place in (0, 1)] == [7, 9]
