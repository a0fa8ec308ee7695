"""The ledger's equations hold for a sound system and break for every kind of loss."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_cli.equations import STATES, Ledgers, equations, settled

Count = st.integers(0, 10**9)


@st.composite
def sound(draw: st.DrawFn) -> Ledgers:
    """Ledgers of a system at rest in which nothing was lost or doubled."""
    accepted, rejected, profiled, twice, dead, parked, own, erased = (draw(Count) for _ in range(8))
    topic = profiled + twice + erased + dead + parked
    accepted = min(accepted, topic)
    activity = {"profile.activity": profiled + own}
    reader: dict[str, Any] = {
        "consumed": activity,
        "dead_letters": {},
        "tallies": {},
        "lacking": 0,
    }
    counts = {state: draw(Count) for state in STATES}
    return {
        "ingest": {
            "received": accepted + rejected,
            "accepted": accepted,
            "rejected": rejected,
            "quarantined": rejected,
            "spooled_now": 0,
            "spool_refused": 0,
            "spool_discarded": 0,
            "topic": {"end_offsets_total": topic},
        },
        "profile": {
            "consumed": {"events": topic},
            "dead_letters": {"events": dead},
            "parked": {"events": parked},
            "tallies": {"profiled": profiled, "duplicate": twice, "erased": erased},
        },
        "segment": reader,
        "campaign": {**reader, **counts, "planned_total": sum(counts.values())},
        "feedback": reader,
    }


@given(sound())
def test_a_sound_system_is_ok(ledgers: Ledgers) -> None:
    assert all(one.holds for one in equations(ledgers))


LOSSES = [
    ("received", ("ingest", "received")),
    ("consumed", ("ingest", "topic", "end_offsets_total")),
    ("consumed", ("profile", "consumed", "events")),
    ("profiled", ("profile", "tallies", "duplicate")),
    ("profiled", ("profile", "tallies", "profiled")),
    ("profiled", ("profile", "tallies", "erased")),
    ("in step: profile.activity", ("campaign", "consumed", "profile.activity")),
    ("known", ("feedback", "lacking")),
    ("messages", ("campaign", "planned_total")),
    ("messages", ("campaign", "suppressed")),
]


@pytest.mark.parametrize(("name", "path"), LOSSES)
@given(ledgers=sound(), by=st.sampled_from([-1, 1]))
def test_one_more_or_less_breaks_its_equation(
    name: str, path: tuple[str, ...], ledgers: Ledgers, by: int
) -> None:
    broken = deepcopy(ledgers)
    for service in ("segment", "feedback"):  # they shared one mapping
        broken[service] = deepcopy(ledgers[service])
    broken["campaign"]["consumed"] = dict(ledgers["campaign"]["consumed"])
    place: Any = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] += by
    assert name in {one.name for one in equations(broken) if not one.holds}


@given(ledgers=sound(), lost=st.integers(1, 100))
def test_rejected_but_not_kept_is_found(ledgers: Ledgers, lost: int) -> None:
    ledgers["ingest"]["quarantined"] -= lost
    assert "quarantined" in {one.name for one in equations(ledgers) if not one.holds}


@given(ledgers=sound(), lost=st.integers(1, 100))
def test_accepted_but_nowhere_is_found(ledgers: Ledgers, lost: int) -> None:
    ingest = ledgers["ingest"]
    ingest["accepted"] = ingest["topic"]["end_offsets_total"] + lost
    assert "kept" in {one.name for one in equations(ledgers) if not one.holds}


@given(ledgers=sound(), aside=st.integers(0, 9), given_up=st.integers(0, 9), lost=st.integers(0, 1))
def test_what_kafka_refused_is_counted_also_when_it_is_given_up(
    ledgers: Ledgers, aside: int, given_up: int, lost: int
) -> None:
    ingest = ledgers["ingest"]
    ingest["accepted"] = ingest["topic"]["end_offsets_total"] + aside + given_up + lost
    ingest |= {"spool_refused": aside, "spool_discarded": given_up}
    broken = {one.name for one in equations(ledgers) if not one.holds}
    assert ("kept" in broken) == bool(lost)


def _names_broken(sent: int, uncertain: int, keys: dict[str, int]) -> set[str]:
    ledgers: Ledgers = {
        "ingest": {
            **dict.fromkeys(
                ("received", "accepted", "rejected", "quarantined", "spooled_now"),
                0,
            ),
            **dict.fromkeys(("spool_refused", "spool_discarded"), 0),
            "topic": {"end_offsets_total": 0},
        },
        **{
            name: {"consumed": {}, "dead_letters": {}, "tallies": {}}
            for name in ("profile", "segment", "campaign", "feedback")
        },
    }
    counts = dict.fromkeys(STATES, 0) | {"sent": sent, "uncertain": uncertain}
    ledgers["campaign"].update({**counts, "planned_total": sent + uncertain})
    return {one.name for one in equations(ledgers, keys) if not one.holds}


def test_mails_lie_between_sent_and_uncertain() -> None:
    assert not _names_broken(2, 1, {"a": 1, "b": 1})
    assert not _names_broken(2, 1, {"a": 1, "b": 1, "c": 1})
    assert _names_broken(2, 1, {"a": 1}) == {"mails"}
    assert _names_broken(2, 1, {"a": 1, "b": 1, "c": 1, "d": 1}) == {"mails"}


def test_a_doubled_mail_is_found() -> None:
    assert _names_broken(1, 1, {"a": 2}) == {"at most once"}


@given(sound())
def test_spooled_events_and_mails_under_way_are_not_rest(ledgers: Ledgers) -> None:
    ledgers["campaign"]["sending"] = 0
    ledgers["profile"]["parked"] = {"events": 0}
    assert settled(ledgers)
    ledgers["profile"]["parked"] = {"events": 1}
    assert not settled(ledgers)
    ledgers["profile"]["parked"] = {}
    ledgers["ingest"]["spooled_now"] = 1
    assert not settled(ledgers)
