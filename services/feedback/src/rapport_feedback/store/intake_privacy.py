"""What there is of somebody in how cases came in: claims of who wrote, mails, files, codes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import AND_AT, BEFORE, Read, Sweep, changing

_OF_CASE = "WHERE workspace = :workspace AND case_id = CAST(CAST(:case AS text) AS uuid)"
GONE = (
    "UPDATE feedback.case_arrival SET email = NULL, phone = NULL, name = NULL, digest = NULL",
    "DELETE FROM feedback.case_mail",
    # Its pieces go with it.
    "DELETE FROM feedback.attachment",
    "UPDATE feedback.goodwill SET code = ''",
)
"""What goes of a case that is blanked, up to its WHERE; sums of goodwill stay."""

FORGET = tuple(text(f"{one} {_OF_CASE}") for one in GONE)


def intake_sweeps(recogniser: Recogniser, forget: Sequence[TextClause]) -> list[Sweep]:
    """Before the cases themselves: `forget` rids a case of its customer."""
    return [_claims(recogniser, forget), _mails(recogniser), _files(recogniser)]


def _claims(recogniser: Recogniser, forget: Sequence[TextClause]) -> Sweep:
    """A case that says it is the person's is forgotten as theirs are, verified or not."""

    def speaks(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
        email, phone, name = row
        named = known.is_named(who, "email", email) or known.is_named(who, "phone", phone)
        return named or known.is_mentioned(who, name)

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            for statement in forget:
                await tx.execute(statement, {"workspace": who.workspace, "case": row[0]})

    return Read(
        "feedback.case_arrival",
        {"case_id": "uuid"},
        ("email", "phone", "name"),
        recogniser,
        change,
        speaks=speaks,
        where=f"workspace = :workspace AND at < {BEFORE}",
        names=AND_AT,
    )


def _mails(recogniser: Recogniser) -> Sweep:
    """Mails of the person at others' cases, and what others cite of them."""

    def speaks(row: Sequence[Any], who: Subject, known: Recogniser) -> bool:
        return known.is_named(who, "email", row[0]) or known.is_mentioned(who, row[1])

    key = {"message_id": "text"}
    return Read(
        "feedback.case_mail",
        key,
        ("sender", "quoted"),
        recogniser,
        changing("UPDATE feedback.case_mail SET sender = '', quoted = '', own_id = ''", key),
        speaks=speaks,
        where=f"workspace = :workspace AND at < {BEFORE}",
        names=AND_AT,
    )


def _files(recogniser: Recogniser) -> Sweep:
    """Files whose names speak of the person, at others' cases: nobody can look into all files."""

    async def change(tx: AsyncConnection, who: Subject, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            given = {"workspace": who.workspace, "file": row[0]}
            await tx.execute(_DROP_FILE, given)

    return Read(
        "feedback.attachment",
        {"attachment_id": "uuid"},
        ("name",),
        recogniser,
        change,
        speaks=lambda row, who, known: known.is_mentioned(who, row[0]),
        where=f"workspace = :workspace AND at < {BEFORE}",
        names=AND_AT,
    )


_DROP_FILE = text(
    "DELETE FROM feedback.attachment WHERE workspace = :workspace "
    "AND attachment_id = CAST(CAST(:file AS text) AS uuid)"
)
