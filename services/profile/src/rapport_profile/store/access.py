"""What profile tells of somebody who asks: who they are, what is known, what was said."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from rapport_common.access.aside import aside_parts
from rapport_common.access.parts import Part, Rows, Taken, Told, covered, covering, plain
from rapport_common.events.reserved import RESERVED_SOURCES
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_profile.domain.shown import shown_profile
from rapport_profile.store.group_privacy import PARTS_IN_GROUPS
from rapport_profile.store.scores import PUBLISHED
from rapport_profile.store.standing import standing
from rapport_profile.tables import SCHEMA

_IDS = "CAST(CAST(:subjects AS text[]) AS uuid[])"
_PROFILES = "CAST(CAST(:profiles AS text[]) AS uuid[])"
_BY_SUBJECT = frozenset({"workspace", "subjects"})
_WRITTEN = frozenset({"reason", "evidence"})
_NAMED = (
    "LEFT JOIN profile.identifier x ON x.workspace = t.workspace AND x.id = t.a "
    "LEFT JOIN profile.identifier y ON y.workspace = t.workspace AND y.id = t.b"
)


class State(Part):
    """Whoever the person is now, as they are shown; what they were before is of their heirs."""

    section = "profile.profile"
    about = "what is known of you now: traits, sums, consents, where you are reached"

    @override
    async def page(self, tx: AsyncConnection, who: Subject, _after: str | None) -> Taken:
        """All of it: that is bounded."""
        ids = sorted(who.profiles)
        return Taken([_told(one) async for one in standing(tx, who.workspace, ids)])


def _told(one: tuple[str, int, object]) -> Told:
    return {"profile": shown_profile(*one)}  # type: ignore[arg-type] # a summary


def _end(table: str, column: str) -> dict[str, str]:
    """An identifier of a pair: of somebody else's only that there is one."""
    shown = f"CASE WHEN t.{column} = ANY({_IDS}) THEN {table}.value END"
    return {f"{column}_kind": f"{table}.kind", column: shown}


_PAIR = {**_end("x", "a"), **_end("y", "b")}
_EITHER = f"t.workspace = :workspace AND (t.a = ANY({_IDS}) OR t.b = ANY({_IDS}))"

IDENTIFIERS = Rows(
    "profile.identifier",
    "identifiers that are yours",
    "profile.identifier t",
    {"id": "uuid"},
    plain("kind", "value"),
    f"t.workspace = :workspace AND t.id = ANY({_IDS})",
    _BY_SUBJECT,
)
OVERFLOW = Rows(
    "profile.overflow",
    "older traits and consents, beside those that are shown",
    "profile.overflow t",
    {"identifier_id": "uuid", "kind": "text", "name": "text"},
    {**plain("kind", "name", "at"), "value": "CAST(t.value AS text)"},
    f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
    _BY_SUBJECT,
    documents=frozenset({"value"}),
)
LINKS = Rows(
    "profile.link",
    "why two identifiers are one person: the event that says so",
    f"profile.link t {_NAMED}",
    {"a": "uuid", "b": "uuid", "kind": "text"},
    {**_PAIR, **plain("kind", "timestamp", "message_id", "source")},
    _EITHER,
    _BY_SUBJECT,
)
DUPLICATES = Rows(
    "profile.duplicate",
    "that you may be somebody else who is known, and what was decided",
    "profile.duplicate t",
    {"id": "uuid"},
    plain("score", "state", "found_at", "decided_at"),
    f"t.workspace = :workspace AND (t.a = ANY({_PROFILES}) OR t.b = ANY({_PROFILES}))",
)


def _computed(table: str, owner: str) -> Rows:
    return Rows(
        f"profile.{table}",
        "what your events amount to, of which the values are made that are shown",
        f"profile.{table} t JOIN profile.computed_trait c "
        "ON c.workspace = t.workspace AND c.id = t.trait",
        {owner: "uuid", "trait": "bigint"},
        {"name": "c.name", "state": "CAST(t.state AS text)"},
        f"t.workspace = :workspace AND (t.{owner} = ANY({_IDS}) OR t.{owner} = ANY({_PROFILES}))",
        frozenset({"workspace", "subjects", "profiles"}),
        documents=frozenset({"state"}),
    )


POINTS = Rows(
    "profile.loyalty_entry",
    "points that you were given, have spent, or lost",
    "profile.loyalty_entry t",
    {"id": "bigint"},
    plain("kind", "points", "at", "booked_at", "lot"),
    f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
    _BY_SUBJECT,
)
EARNED_BY = Rows(
    "profile.loyalty_fact",
    "what of your events counts for points",
    "profile.loyalty_fact t",
    {"source": "text", "message_id": "text"},
    {**plain("source", "message_id"), "content": "CAST(t.content AS text)"},
    f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
    _BY_SUBJECT,
    documents=frozenset({"content"}),
)


def parts(recogniser: Recogniser) -> list[Part]:
    """All of it. What search and the finder of duplicates keep is made of these."""
    return [
        State(),
        IDENTIFIERS,
        _timeline(recogniser),
        OVERFLOW,
        LINKS,
        _decisions(recogniser),
        _restraints(recogniser),
        _rectifications(recogniser),
        _words(recogniser),
        _computed("computed_state", "owner_id"),
        _computed("computed_expired", "identifier_id"),
        POINTS,
        EARNED_BY,
        PARTS_IN_GROUPS,
        _asked_of_points(recogniser),
        DUPLICATES,
        PUBLISHED.told,
        *aside_parts(SCHEMA, recogniser),
    ]


def _decisions(recogniser: Recogniser) -> Part:
    return Rows(
        "profile.decision",
        "what our staff have said of who you are",
        f"profile.decision t {_NAMED}",
        {"id": "uuid"},
        {**_PAIR, **plain("kind", "reason", "created_at", "undone_at", "undone_reason")},
        _EITHER,
        _BY_SUBJECT,
        choose=covering(recogniser, "reason", "undone_reason"),
    )


def _timeline(recogniser: Recogniser) -> Part:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        event = row["event"]
        if row["source"] in RESERVED_SOURCES:
            said = msgspec.json.decode(event)
            said["properties"] = _without_staff(recogniser, who, said.get("properties", {}))
            event = said
        yield {"event": event}

    return Rows(
        "profile.timeline",
        "events about you, as they were sent, by whom and when",
        "profile.timeline t",
        {
            "identifier_id": "uuid",
            "timestamp": "timestamptz",
            "source": "text",
            "message_id": "text",
        },
        {"event": "CAST(t.event AS text)", "source": "t.source"},
        f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
        _BY_SUBJECT,
        documents=frozenset({"event"}),
        choose=choose,
    )


def _without_staff(recogniser: Recogniser, who: Subject, said: dict[str, Any]) -> dict[str, Any]:
    """What our services tell that our staff have written: not by whom, nor of others."""
    written = {name: one for name, one in said.items() if name in _WRITTEN and isinstance(one, str)}
    shown = {name: covered(recogniser, who, one) for name, one in written.items()}
    return {name: one for name, one in {**said, **shown}.items() if name != "actor"}


def _restraints(recogniser: Recogniser) -> Part:
    return Rows(
        "profile.restraint",
        "what is not to be done with your data",
        "profile.restraint t",
        {"id": "uuid"},
        plain("what", "reason", "at", "lifted_at", "lifted_reason"),
        f"t.workspace = :workspace AND t.identifiers && {_IDS}",
        _BY_SUBJECT,
        choose=covering(recogniser, "reason", "lifted_reason"),
    )


def _rectifications(recogniser: Recogniser) -> Part:
    return Rows(
        "profile.rectification",
        "what was put right of your data, and what showed that",
        "profile.rectification t",
        {"id": "uuid"},
        {
            **plain("reason", "evidence", "at", "lifted_at", "lifted_reason"),
            "traits": "CAST(t.traits AS text)",
        },
        f"t.workspace = :workspace AND t.identifiers && {_IDS}",
        _BY_SUBJECT,
        documents=frozenset({"traits"}),
        choose=covering(recogniser, "reason", "evidence", "lifted_reason"),
    )


def _words(recogniser: Recogniser) -> Part:
    def choose(row: Told, who: Subject) -> Iterable[Told]:
        evidence = msgspec.json.decode(row["evidence"])
        yield {**row, "evidence": _without_staff(recogniser, who, evidence)}

    return Rows(
        "profile.consent_fact",
        "each word of yours on what you permit, and what it rests on",
        "profile.consent_fact t",
        {"source": "text", "message_id": "text"},
        {
            **plain("channel", "purpose", "contact_point", "kind", "state", "at", "received_at"),
            **plain("wording_version", "legal_basis", "expires_at", "source", "message_id"),
            **plain("lacks"),
            "evidence": "CAST(t.evidence AS text)",
        },
        f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
        _BY_SUBJECT,
        documents=frozenset({"evidence"}),
        choose=choose,
    )


def _asked_of_points(recogniser: Recogniser) -> Part:
    return Rows(
        "profile.loyalty_operation",
        "what was asked for of your points, and why",
        "profile.loyalty_operation t",
        {"id": "uuid"},
        {**plain("reason"), "operation": "CAST(t.operation AS text)"},
        f"t.workspace = :workspace AND t.identifier_id = ANY({_IDS})",
        _BY_SUBJECT,
        documents=frozenset({"operation"}),
        choose=covering(recogniser, "reason"),
    )
