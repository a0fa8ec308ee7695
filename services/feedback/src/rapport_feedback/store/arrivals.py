"""How cases came in: forms and addresses, who wrote, and the mails."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_feedback.domain.arrivals import AfterClosing, Arrival, Thread, Writer
from rapport_feedback.domain.cases import State
from rapport_feedback.domain.letters import Letter
from rapport_feedback.store.case_messages import Message, keep


class Form(NamedTuple):
    """A form that anybody may fill in who has its link."""

    form_id: UUID
    name: str
    per_hour: int
    files: bool
    created_at: datetime
    archived_at: datetime | None


class Address(NamedTuple):
    """An address of mail to which people complain."""

    workspace: str
    address: str
    trusted: list[str]
    after_closing: AfterClosing
    created_at: datetime


class Mail(NamedTuple):
    """What is known of a mail beside its text."""

    message_id: str
    sender: str
    verdict: str
    automatic: str
    quoted: str
    at: datetime


_FORM = "form_id, name, per_hour, files, created_at, archived_at"
_ADDRESS = "workspace, address, trusted, after_closing, created_at"


async def add_form(tx: AsyncConnection, workspace: str, form: Form) -> None:
    """Keep a new form."""
    await tx.execute(
        text(
            "INSERT INTO feedback.complaint_form (workspace, form_id, name, per_hour, files, "
            "created_at) VALUES (:workspace, :form_id, :name, :per_hour, :files, :created_at)"
        ),
        {"workspace": workspace, **form._asdict()},
    )


async def form(
    tx: AsyncConnection, workspace: str, form_id: UUID, *, lock: bool = False
) -> Form | None:
    """A form of a workspace."""
    rows = await tx.execute(
        text(
            f"SELECT {_FORM} FROM feedback.complaint_form WHERE workspace = :workspace "
            f"AND form_id = :form_id {'FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "form_id": form_id},
    )
    row = rows.first()
    return Form(*row) if row else None


async def forms(
    tx: AsyncConnection, workspace: str, *, after: UUID | None, limit: int
) -> list[Form]:
    """Forms that are open, by their ids."""
    rows = await tx.execute(
        text(
            f"SELECT {_FORM} FROM feedback.complaint_form WHERE workspace = :workspace "
            "AND archived_at IS NULL AND (CAST(:after AS uuid) IS NULL OR form_id > :after) "
            "ORDER BY form_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Form(*row) for row in rows]


async def save_form(tx: AsyncConnection, workspace: str, one: Form) -> None:
    """A form is otherwise from now on."""
    await tx.execute(
        text(
            "UPDATE feedback.complaint_form SET name = :name, per_hour = :per_hour, "
            "files = :files, archived_at = :archived_at "
            "WHERE workspace = :workspace AND form_id = :form_id"
        ),
        {"workspace": workspace, **one._asdict()},
    )


async def put_address(tx: AsyncConnection, one: Address) -> bool:
    """Declare an address, or what holds for it; False when another workspace has it."""
    rows = await tx.execute(
        text(
            "INSERT INTO feedback.complaint_address AS a (workspace, address, trusted, "
            "after_closing, created_at) VALUES (:workspace, :address, CAST(:trusted AS text[]), "
            ":after_closing, :created_at) ON CONFLICT (address) DO UPDATE SET "
            "trusted = excluded.trusted, after_closing = excluded.after_closing "
            "WHERE a.workspace = :workspace RETURNING address"
        ),
        one._asdict(),
    )
    return rows.first() is not None


async def address(tx: AsyncConnection, named: str) -> Address | None:
    """An address, whosever it is: a mail says no workspace."""
    rows = await tx.execute(
        text(f"SELECT {_ADDRESS} FROM feedback.complaint_address WHERE address = :address"),
        {"address": named},
    )
    row = rows.first()
    return Address(*row) if row else None


async def addresses(
    tx: AsyncConnection, workspace: str, *, after: str, limit: int
) -> list[Address]:
    """The addresses of a workspace."""
    rows = await tx.execute(
        text(
            f"SELECT {_ADDRESS} FROM feedback.complaint_address WHERE workspace = :workspace "
            "AND address > :after ORDER BY address LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [Address(*row) for row in rows]


async def drop_address(tx: AsyncConnection, workspace: str, named: str) -> bool:
    """Mails to this address are taken no more; whether there was one."""
    gone = await tx.execute(
        text(
            "DELETE FROM feedback.complaint_address "
            "WHERE workspace = :workspace AND address = :address"
        ),
        {"workspace": workspace, "address": named},
    )
    return bool(gone.rowcount)


async def add_arrival(
    tx: AsyncConnection, workspace: str, case_id: UUID, one: Arrival, digest: bytes | None
) -> None:
    """Keep by which way a case came."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_arrival (workspace, case_id, channel, place, verified, "
            "email, phone, name, at, digest) VALUES (:workspace, :case_id, :channel, :place, "
            ":verified, :email, :phone, :name, :at, :digest)"
        ),
        {
            "workspace": workspace,
            "case_id": case_id,
            "channel": one.channel,
            "place": one.place,
            "verified": one.writer.verified,
            "email": one.writer.email,
            "phone": one.writer.phone,
            "name": one.writer.name,
            "at": one.at,
            "digest": digest,
        },
    )


async def same_words(tx: AsyncConnection, workspace: str, digest: bytes) -> UUID | None:
    """The case that the same words have made before."""
    found = await tx.scalar(
        text(
            "SELECT case_id FROM feedback.case_arrival "
            "WHERE workspace = :workspace AND digest = :digest"
        ),
        {"workspace": workspace, "digest": digest},
    )
    return found if isinstance(found, UUID) else None


async def arrival(tx: AsyncConnection, workspace: str, case_id: UUID) -> Arrival | None:
    """By which way a case came; None for one that staff took down, or that came by a survey."""
    rows = await tx.execute(
        text(
            "SELECT channel, place, verified, email, phone, name, at FROM feedback.case_arrival "
            "WHERE workspace = :workspace AND case_id = :case_id"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    row = rows.first()
    if row is None:
        return None
    writer = Writer(row.email, row.phone, row.name, row.verified)
    return Arrival(row.channel, row.place, writer, row.at)


async def arrivals_since(
    tx: AsyncConnection, workspace: str, place: str, since: datetime, email: str | None = None
) -> int:
    """How many cases came by one way since then; with `email` those that claim it."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM feedback.case_arrival WHERE workspace = :workspace "
            "AND place = :place AND at >= :since "
            "AND (CAST(:email AS text) IS NULL OR email = :email)"
        ),
        {"workspace": workspace, "place": place, "since": since, "email": email},
    )
    return int(found or 0)


async def verify(
    tx: AsyncConnection, workspace: str, case_id: UUID, *, user_id: str | None, email: str | None
) -> None:
    """Whose a case is, is known: it is found by these from now on."""
    given = {"workspace": workspace, "case_id": case_id, "user_id": user_id, "email": email}
    await tx.execute(
        text(
            "UPDATE feedback.complaint SET user_id = coalesce(:user_id, user_id), "
            "email = coalesce(:email, email) WHERE workspace = :workspace AND case_id = :case_id"
        ),
        given,
    )
    await tx.execute(
        text(
            "UPDATE feedback.case_arrival SET verified = true, email = coalesce(:email, email) "
            "WHERE workspace = :workspace AND case_id = :case_id"
        ),
        given,
    )


async def threads(
    tx: AsyncConnection,
    workspace: str,
    *,
    cases: Sequence[UUID] = (),
    numbers: Sequence[int] = (),
    own_ids: Sequence[str] = (),
) -> list[Thread]:
    """Cases by id, which are `signed`, by number, and by a mail that is theirs; each locked, the
    signed ones first. One that was merged into another is that one, for its own customer, too.
    """
    where = {"workspace": workspace, "numbers": list(numbers), "own_ids": list(own_ids)}
    rows = (await tx.execute(_THREADS, {**where, "cases": list(cases)})).all()
    merged = {row.heir_id for row in rows if row.heir_id is not None}
    nothing: dict[str, list[str]] = {"numbers": [], "own_ids": []}
    heirs = (await tx.execute(_THREADS, {**where, **nothing, "cases": list(merged)})).all()
    goals = {row.case_id: row for row in (*rows, *heirs)}
    found: dict[UUID, Thread] = {}
    for row in rows:
        goal = goals.get(row.heir_id or row.case_id, row)
        names = (row.email, row.claimed, goal.email, goal.claimed)
        before = found.get(goal.case_id)
        found[goal.case_id] = Thread(
            case_id=goal.case_id,
            state=State(goal.state),
            emails=frozenset(one for one in names if one) | (before.emails if before else set()),
            signed=row.case_id in cases or (before is not None and before.signed),
            messages=int(goal.messages),
            claimed=goal.claimed or goal.email,
            closed_at=goal.closed_at,
        )
    return sorted(found.values(), key=lambda one: not one.signed)


_THREADS = text(
    "SELECT c.case_id, c.heir_id, c.state, c.closed_at, c.email, "
    "(SELECT a.email FROM feedback.case_arrival a "
    "WHERE a.workspace = c.workspace AND a.case_id = c.case_id) AS claimed, "
    "(SELECT count(*) FROM feedback.case_message m "
    "WHERE m.workspace = c.workspace AND m.case_id = c.case_id) AS messages "
    "FROM feedback.complaint c WHERE c.workspace = :workspace AND ("
    "c.case_id = ANY(CAST(:cases AS uuid[])) OR c.number = ANY(CAST(:numbers AS bigint[])) "
    "OR c.case_id IN (SELECT l.case_id FROM feedback.case_mail l "
    "WHERE l.workspace = :workspace AND l.own_id = ANY(CAST(:own_ids AS text[])))) "
    "ORDER BY c.number DESC LIMIT 20 FOR UPDATE OF c"
)


async def add_mail(
    tx: AsyncConnection, workspace: str, case_id: UUID, one: Letter, at: datetime, *, opens: bool
) -> bool:
    """Keep a mail at its case, which it has opened or goes on with; False for one that is kept
    already.
    """
    given = {
        "workspace": workspace,
        "message_id": one.mark,
        "case_id": case_id,
        "sender": one.sender,
        "own_id": one.own_id,
        "verdict": one.verdict,
        "automatic": one.automatic,
        "quoted": one.quoted,
        "at": at,
    }
    message = Message(one.mark, at, "", one.subject, one.body)
    if not await keep(tx, workspace, case_id, message, opens=opens):
        return False
    await tx.execute(
        text(
            "INSERT INTO feedback.case_mail (workspace, message_id, case_id, sender, own_id, "
            "verdict, automatic, quoted, at) VALUES (:workspace, :message_id, :case_id, :sender, "
            ":own_id, :verdict, :automatic, :quoted, :at)"
        ),
        given,
    )
    return True


async def is_kept(tx: AsyncConnection, workspace: str, mark: str) -> bool:
    """Whether a mail came before; one that comes twice at once waits for the other."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"feedback.mail/{workspace}/{mark}"},
    )
    found = await tx.scalar(
        text(
            "SELECT 1 FROM feedback.case_message "
            "WHERE workspace = :workspace AND message_id = :message_id"
        ),
        {"workspace": workspace, "message_id": mark},
    )
    return found is not None


async def mails_since(tx: AsyncConnection, workspace: str, sender: str, since: datetime) -> int:
    """How many mails of a sender were kept since then."""
    found = await tx.scalar(
        text(
            "SELECT count(*) FROM feedback.case_mail WHERE workspace = :workspace "
            "AND sender = :sender AND at >= :since"
        ),
        {"workspace": workspace, "sender": sender, "since": since},
    )
    return int(found or 0)


async def mails(tx: AsyncConnection, workspace: str, case_id: UUID) -> list[Mail]:
    """What is known of the mails of a case, oldest first."""
    rows = await tx.execute(
        text(
            "SELECT message_id, sender, verdict, automatic, quoted, at FROM feedback.case_mail "
            "WHERE workspace = :workspace AND case_id = :case_id ORDER BY at, message_id"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return [Mail(*row) for row in rows]


async def newest_id(tx: AsyncConnection, workspace: str, case_id: UUID) -> str:
    """The id of the customer's last mail, which an answer refers to; empty: none."""
    found = await tx.scalar(
        text(
            "SELECT own_id FROM feedback.case_mail WHERE workspace = :workspace "
            "AND case_id = :case_id AND own_id <> '' ORDER BY at DESC LIMIT 1"
        ),
        {"workspace": workspace, "case_id": case_id},
    )
    return str(found or "")
