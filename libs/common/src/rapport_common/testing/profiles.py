"""Plays the profile service: records of `profile.activity` that fit each other, without people."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rapport_common.events.activity import (
    SECTIONS,
    ContactPoint,
    ProfileActivity,
    Restraint,
    SectionVersions,
)
from rapport_common.events.envelope import Event
from rapport_common.events.profile import (
    AbsorbedId,
    ComputedState,
    ConsentState,
    IdentifierState,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sections(
    names: Iterable[tuple[str, str]] = (),
    traits: Mapping[str, Any] | None = None,
    contact_points: Sequence[ContactPoint] = (),
    consent: Sequence[ConsentState] = (),
    restraints: Sequence[Restraint] = (),
    **computed: Any,
) -> dict[str, Any]:
    """All sections of a person: `names` are their identifiers (kind, value)."""
    return {
        "identifiers": [IdentifierState(kind, value) for kind, value in names],
        "contact_points": list(contact_points),
        "traits": msgspec.Raw(msgspec.json.encode(traits or {})),
        "computed": ComputedState(**computed),
        "consent": list(consent),
        "restraints": list(restraints),
    }


def happened(workspace: str, number: int, at: datetime | None = None) -> Event:
    """The event of a number; of itself it means nothing."""
    when = at or NOON + timedelta(minutes=number)
    return Event(
        workspace=workspace,
        source="shop",
        message_id=str(number),
        type="track",
        timestamp=when,
        received_at=when,
        name="Order Completed",
        identifiers=[("user_id", "u")],
    )


@dataclass
class Told:
    """A profile as it is: its sections, and the version of the record that told each last."""

    version: int = 0
    content: dict[str, Any] = field(default_factory=sections)
    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SECTIONS, 0))
    heir: str | None = None
    lives: bool = False


class Profiles:
    """The profiles of a workspace; each call is a step in a life, and gives what is published."""

    def __init__(self, workspace: str = "acme") -> None:
        self.workspace = workspace
        self.held: dict[str, Told] = {}

    def event(self, who: str, at: datetime | None = None, **changed: Any) -> ProfileActivity:
        """An event is applied, and these sections change; the first of a life tells all."""
        one = self._step(who)
        event = happened(self.workspace, one.version, at)
        return self._state(who, changed, event=event)

    def changed(self, who: str, **changed: Any) -> ProfileActivity:
        """Sections change without an event: identifiers joined or left."""
        self._step(who)
        return self._state(who, changed)

    def merged(
        self, old: str, into: str, **changed: Any
    ) -> tuple[ProfileActivity, ProfileActivity]:
        """(the end of `old`, the step of its heir, with these sections)."""
        end, survivor = self._step(old), self._step(into)
        end.heir, end.lives = into, False
        end.versions = dict.fromkeys(SECTIONS, 0)
        absorbed = [AbsorbedId(old, end.version)]
        survivor.versions = dict.fromkeys(SECTIONS, 0)
        return (
            ProfileActivity(
                workspace=self.workspace,
                profile_id=old,
                version=end.version,
                merged_into=into,
                into_version=survivor.version,
            ),
            self._state(into, changed, absorbed=absorbed),
        )

    def gone(self, who: str) -> ProfileActivity:
        """Nobody has this id any more."""
        one = self._step(who)
        one.heir, one.lives = None, False
        one.versions = dict.fromkeys(SECTIONS, 0)
        return ProfileActivity(
            workspace=self.workspace, profile_id=who, version=one.version, gone=True
        )

    def republished(self, ids: Collection[str] = ()) -> list[ProfileActivity]:
        """All is told again of these ids, or of all."""
        return [self._again(who, self.held[who]) for who in sorted(ids or self.held)]

    def _again(self, who: str, one: Told) -> ProfileActivity:
        if one.lives:
            return self._record(who, one, one.content, republished=True)
        return ProfileActivity(
            workspace=self.workspace,
            profile_id=who,
            version=one.version,
            republished=True,
            merged_into=one.heir,
            gone=one.heir is None,
        )

    def _step(self, who: str) -> Told:
        one = self.held.setdefault(who, Told())
        one.version += 1
        return one

    def _state(self, who: str, changed: Mapping[str, Any], **more: Any) -> ProfileActivity:
        one = self.held[who]
        one.lives, one.heir = True, None
        one.content = {**one.content, **changed}
        told = changed if any(one.versions.values()) else one.content
        one.versions |= dict.fromkeys(told, one.version)
        return self._record(who, one, {name: one.content[name] for name in told}, **more)

    def _record(self, who: str, one: Told, told: Mapping[str, Any], **more: Any) -> ProfileActivity:
        return ProfileActivity(
            workspace=self.workspace,
            profile_id=who,
            version=one.version,
            versions=SectionVersions(**one.versions),
            **told,
            **more,
        )
