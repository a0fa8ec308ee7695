"""The first version of the record on `profile.activity`, and what `activity.py` has of it."""

from datetime import datetime
from typing import Literal

import msgspec

from rapport_common.events.consent import Lacks
from rapport_common.events.envelope_v1 import EventV1


class IdentifierState(msgspec.Struct, frozen=True, gc=False):
    """One identifier of a profile."""

    kind: str
    value: str


class ConsentState(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The latest word of a person about one contact point, channel and purpose.

    All in normal form (`events/contact.py`). `at` of a grant is never later than its receipt.
    `confirmed` is false for a grant that only a public source tells of. One with `expires_at`
    counts before that instant; when it has passed, the state is `withdrawn` and `expired`: nobody
    has said no, so it is no word on others who have the contact point. A grant that `lacks` what
    the rules of the workspace ask for permits nothing, whatever else is allowed. `asked_at`: when,
    whatever holds, a yes was said on a page of which the owner of the address is yet to be asked;
    `asked_wording`: to which wording.
    """

    contact_point: str
    channel: str
    purpose: str
    state: Literal["granted", "denied", "withdrawn"]
    at: datetime
    source: str
    wording_version: str | None = None
    confirmed: bool = True
    expires_at: datetime | None = None
    expired: bool = False
    lacks: Lacks | None = None
    asked_at: datetime | None = None
    asked_wording: str | None = None


class ContactPointState(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An address at which the person can be reached now; former ones are identifiers only.

    `verified`: a trusted source said so. An unverified one gets nothing that holds the person's
    data. `at` is when it was last told of.
    """

    channel: str
    value: str
    at: datetime
    verified: bool = True


class Omitted(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """How much of a large profile is not in its record, though kept: the newest are shown."""

    identifiers: int = 0
    traits: int = 0
    consent: int = 0


NONE_OMITTED = Omitted()
"""All is shown. Left out of a record only where it is this very object."""


class DefinedValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person's value of a computed trait that the workspace has defined; one field at most.

    `number` is a decimal string, `money` one per currency; `values` has the newest first. None of
    them: there is none now. `bounded`: there was too much, and it speaks of the newest part.
    """

    number: str | None = None
    money: dict[str, str] | None = None
    time: datetime | None = None
    text: str | None = None
    values: list[str] | None = None
    bounded: bool = False


class ComputedState(msgspec.Struct, frozen=True, kw_only=True):
    """Aggregates over a person's distinct events. Money is a decimal string per currency.

    `defined`: those that the workspace has defined, by their names; left out where there are none.
    """

    events: int = 0
    orders: int = 0
    revenue: dict[str, str] = {}
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    open_cases: int = 0
    defined: dict[str, DefinedValue] | msgspec.UnsetType = msgspec.UNSET


class ProfileState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known about a person at one version, bounded: `omitted` counts what is not shown.

    `contact_points` are the current ones, newest first; None in records from before there were
    any, whose reader goes by the e-mail trait and identifiers.
    """

    identifiers: list[IdentifierState]
    traits: msgspec.Raw
    computed: ComputedState
    consent: list[ConsentState] = []
    contact_points: list[ContactPointState] | None = None
    omitted: Omitted = NONE_OMITTED

    def values(self, kind: str) -> list[str]:
        """All identifiers of one kind, in a fixed order."""
        return sorted(one.value for one in self.identifiers if one.kind == kind)


class AbsorbedId(msgspec.Struct, frozen=True, gc=False):
    """An id that became part of another, and its version at its end."""

    profile_id: str
    version: int


class ProfileActivityV1(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a profile's life, as it was told until states were told in sections.

    Five forms, told apart by what is set: `event` with `state` (an event was applied); `event`
    alone (the same of a profile with a long state, which a later record of the same profile
    tells: once for many events, with all `absorbed` till then);
    `state` alone (identifiers joined or left); `merged_into` alone (this id is history, its
    rows now belong to that one); `gone` alone (nobody has this id any more: what counted was
    taken back, and there is no heir). `state` is applied only when `version` is newer than what
    the reader holds for `profile_id`; `event` always, once per (source, message_id).

    A merge is told twice, since the two ids may be in different partitions: by the `merged_into`
    record, and by `absorbed` in the survivor's record, whose version is `into_version`. A reader
    that acts on states applies both in one step: from that record on, not before, the survivor's
    state speaks for both.
    """

    workspace: str
    profile_id: str
    version: int
    event: EventV1 | None = None
    state: ProfileState | None = None
    merged_into: str | None = None
    into_version: int = 0
    absorbed: list[AbsorbedId] = []
    gone: bool = False
