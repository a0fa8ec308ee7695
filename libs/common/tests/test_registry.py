"""The registries: who may write and read a topic, which names are the services', what is made."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rapport_common.events import generate
from rapport_common.events.envelope import EMPTY_OBJECT
from rapport_common.events.profile import ComputedState, IdentifierState, ProfileState
from rapport_common.events.reserved import CONSENT_UPDATED, RESERVED_EVENTS, plain_name, service_of
from rapport_common.events.topics import (
    SERVICES,
    TOPICS,
    Topic,
    UndeclaredFlowError,
    require_consumer,
    require_producer,
    topics_of,
)


@pytest.mark.parametrize("service", [*SERVICES, "insight", ""])
@pytest.mark.parametrize("topic", TOPICS, ids=lambda one: one.name)
@pytest.mark.parametrize("way", [require_producer, require_consumer])
def test_only_who_is_declared_writes_and_reads(
    way: Callable[[Topic, str], None], topic: Topic, service: str
) -> None:
    granted = topic.producers if way is require_producer else topic.consumers
    if service in granted:
        way(topic, service)
        return
    with pytest.raises(UndeclaredFlowError, match=f"{service} is not declared .*{topic.name}"):
        way(topic, service)


def test_a_services_topics_are_those_it_writes_or_reads() -> None:
    assert [one.name for one in topics_of("ingest")] == ["events", "privacy"]
    assert topics_of("insight") == []
    assert {one for name in SERVICES for one in topics_of(name)} == set(TOPICS)


@pytest.mark.parametrize(
    ("written", "service"),
    [
        *((name, service) for name, service in RESERVED_EVENTS.items()),
        *(("case  opened ", "feedback"), ("\tEMAIL\u00a0OPENED\n", "campaign")),
        *((CONSENT_UPDATED, None), ("Case", None), ("CaseOpened", None), ("", None)),
    ],
)
def test_a_name_of_a_service_is_known_however_it_is_written(
    written: str, service: str | None
) -> None:
    assert service_of(written) == service
    assert plain_name(plain_name(written)) == plain_name(written)


def test_a_states_identifiers_are_found_by_kind() -> None:
    named = [("email", "b"), ("user_id", "U"), ("email", "a")]
    identifiers = [IdentifierState(kind, value) for kind, value in named]
    told = ProfileState(identifiers=identifiers, traits=EMPTY_OBJECT, computed=ComputedState())
    assert (told.values("email"), told.values("phone")) == (["a", "b"], [])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another repository, with nothing generated in it."""
    monkeypatch.setattr(generate, "REPOSITORY", tmp_path)
    monkeypatch.setattr(generate, "LIBRARY", tmp_path / "libs/common")
    return tmp_path


def test_what_is_stale_is_told_and_then_written(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 1
    told = capsys.readouterr().err.splitlines()
    assert "docs/events.md is stale: run `make generate`" in told
    assert "libs/common/schemas/profile.activity.v1.json is stale: run `make generate`" in told
    assert len(told) == len(generate.wanted()) == len(generate.stale())
    assert list(elsewhere.iterdir()) == []

    monkeypatch.setattr(sys, "argv", ["generate"])
    assert generate.main() == 0
    assert {path: path.read_text() for path in generate.wanted()} == generate.wanted()
    page = elsewhere / "docs" / "events.md"
    page.write_text("by hand")
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert (generate.main(), generate.stale()) == (1, [page])
    page.write_text(generate.wanted()[page])
    assert (generate.main(), capsys.readouterr().err.count("\n")) == (0, 1)


def test_the_program_checks_this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(generate.__file__, run_name="__main__")
    assert end.value.code == 0
