"""Ids of identifiers are made under the installation's identity key; all rows get theirs anew.

Takes some minutes per million identifiers, while profile stands, and RAPPORT_EVENT_KEY where there
are any.
Revision: 0006, follows 0005.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "profile"
KEY = re.compile(r"[0-9a-fA-F]{64}")
PIECE = 5_000
IDENTIFIERS = (
    "SELECT workspace, CAST(id AS text), kind, value FROM profile.identifier "
    "WHERE (workspace, id) > (:workspace, CAST(:id AS uuid)) ORDER BY workspace, id LIMIT :most"
)
SUMMARIES = (
    "SELECT p.workspace, CAST(p.id AS text), CAST(p.summary AS text), "
    "CAST(u.new AS text), CAST(s.new AS text) FROM (SELECT * FROM profile.profile "
    "WHERE (workspace, id) > (:workspace, CAST(:id AS uuid)) AND summary IS NOT NULL "
    "ORDER BY workspace, id LIMIT :most) AS p "
    "LEFT JOIN renamed u ON u.workspace = p.workspace "
    "AND u.old = CAST(p.summary ->> 'user' AS uuid) "
    "LEFT JOIN renamed s ON s.workspace = p.workspace "
    "AND s.old = CAST(p.summary ->> 'sole' AS uuid) ORDER BY p.workspace, p.id"
)
PLACES = (
    ("identifier", "id"),
    ("identifier", "cluster_id"),
    ("link", "a"),
    ("link", "b"),
    ("overflow", "identifier_id"),
    ("inbox", "identifier_id"),
    ("timeline", "identifier_id"),
)
NameOf = Callable[[str, tuple[str, str]], str]


def upgrade() -> None:
    op.create_table(
        "identity_key",
        sa.Column(
            "one",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="There is one row.",
        ),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_identity_key")),
        sa.CheckConstraint("one", name=op.f("ck_identity_key_single")),
        schema=SCHEMA,
    )
    if not _has_rows():
        return
    key = os.environ.get("RAPPORT_EVENT_KEY", "")
    if not KEY.fullmatch(key):
        message = (
            "Identifiers are to be stored under the identity key: set RAPPORT_EVENT_KEY, 64 "
            "hexadecimal digits, as the services have it."
        )
        raise RuntimeError(message)
    _require_alone()
    name_of = partial(_keyed, bytes.fromhex(key))
    _name_anew(name_of)
    op.get_bind().execute(
        sa.text("INSERT INTO profile.identity_key (fingerprint) VALUES (:fingerprint)"),
        {"fingerprint": bytes.fromhex(name_of("", ("", "fingerprint")).replace("-", ""))},
    )


def downgrade() -> None:
    _name_anew(_unkeyed)
    op.drop_table("identity_key", schema=SCHEMA)


def _require_alone() -> None:
    """A process of the version before would go on, and take everybody for somebody new."""
    others = op.get_bind().execute(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'profile-%' "
            "AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    if count := others.scalar():
        message = (
            f"profile still runs ({count} connections): stop all its processes first. The ids of "
            "identifiers change, and one of the version before would know nobody again."
        )
        raise RuntimeError(message)


def _has_rows() -> bool:
    found = op.get_bind().execute(sa.text("SELECT 1 FROM profile.identifier LIMIT 1"))
    return found.first() is not None


def _unkeyed(workspace: str, identifier: tuple[str, str]) -> str:
    """The id as it was made until now."""
    kind, value = identifier
    told = f"{workspace}\0{kind}\0{value}".encode()
    return str(UUID(bytes=hashlib.blake2b(told, digest_size=16).digest()))


def _keyed(key: bytes, workspace: str, identifier: tuple[str, str]) -> str:
    """The id as it is made from now on."""
    kind, value = identifier
    told = f"{workspace}\0{kind}\0{value}".encode()
    return str(UUID(bytes=hmac.digest(key, told, "sha256")[:16]))


def _name_anew(name_of: NameOf) -> None:
    bind = op.get_bind()
    # Locked first: who still runs the version before must not add a row meanwhile.
    for table in dict.fromkeys([*(table for table, _column in PLACES), "profile"]):
        bind.execute(sa.text(f"LOCK TABLE profile.{table} IN EXCLUSIVE MODE"))
    bind.execute(
        sa.text(
            "CREATE TEMPORARY TABLE renamed (workspace text, old uuid, new uuid) ON COMMIT DROP"
        )
    )
    for piece in _pieces(bind, IDENTIFIERS):
        names = [(row[0], row[1], name_of(row[0], (row[2], row[3]))) for row in piece]
        bind.execute(
            sa.text(
                "INSERT INTO renamed SELECT * FROM unnest(CAST(:workspaces AS text[]), "
                "CAST(:old AS uuid[]), CAST(:new AS uuid[]))"
            ),
            {
                "workspaces": [one[0] for one in names],
                "old": [one[1] for one in names],
                "new": [one[2] for one in names],
            },
        )
    bind.execute(sa.text("CREATE INDEX ON renamed (workspace, old)"))
    bind.execute(sa.text("ANALYZE renamed"))
    for table, column in PLACES:
        bind.execute(
            sa.text(
                f"UPDATE profile.{table} t SET {column} = r.new FROM renamed r "
                f"WHERE r.workspace = t.workspace AND r.old = t.{column}"
            )
        )
    _summaries(bind)


def _summaries(bind: sa.Connection) -> None:
    """The ids in a profile's summary: of its user id, and of its only identifier with events."""
    for piece in _pieces(bind, SUMMARIES):
        changed = [(row[0], row[1], _with(row[2], row[3], row[4])) for row in piece]
        bind.execute(
            sa.text(
                "UPDATE profile.profile p SET summary = CAST(v.summary AS json) "
                "FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), "
                "CAST(:summaries AS text[])) AS v(workspace, id, summary) "
                "WHERE p.workspace = v.workspace AND p.id = v.id"
            ),
            {
                "workspaces": [one[0] for one in changed],
                "ids": [one[1] for one in changed],
                "summaries": [one[2] for one in changed],
            },
        )


def _pieces(bind: sa.Connection, query: str) -> Iterator[Sequence[Any]]:
    """All rows of a query by (workspace, id), some at a time."""
    after = {"workspace": "", "id": str(UUID(int=0)), "most": PIECE}
    while piece := bind.execute(sa.text(query), after).fetchall():
        yield piece
        after |= {"workspace": piece[-1][0], "id": piece[-1][1]}


def _with(summary: str, user: str | None, sole: str | None) -> str:
    """The summary with these ids; all else stays as the bytes that it is."""
    found = msgspec.json.decode(summary, type=dict[str, msgspec.Raw])
    for name, value in (("user", user), ("sole", sole)):
        if value is not None:
            found[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(found).decode()
