"""One word per address: objections of every profile, suppressions in normal form; old news.

Revision: 0004, follows 0003.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from rapport_common.events.consent import normal_channel, normal_purpose
from rapport_common.events.contact import normal_email

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
PAGE = 1000


def upgrade() -> None:
    op.add_column("person", _flag_version("into_version"), schema=SCHEMA)
    op.add_column(
        "entry",
        sa.Column("historic", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "policy",
        sa.Column(
            "unconfirmed_consent", sa.Text(), server_default=sa.text("'refuse'"), nullable=False
        ),
        schema=SCHEMA,
    )
    op.create_check_constraint(
        op.f("ck_policy_unconfirmed_consent"),
        "policy",
        "unconfirmed_consent IN ('allow', 'refuse')",
        schema=SCHEMA,
    )
    op.create_table(
        "objection",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "address", "purpose", "profile_id", name=op.f("pk_objection")
        ),
        sa.CheckConstraint("word IN ('denied', 'withdrawn')", name=op.f("ck_objection_word")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_objection_workspace_profile_id"),
        "objection",
        ["workspace", "profile_id"],
        schema=SCHEMA,
    )
    _normalise_suppressions()
    _collect_objections()


def _flag_version(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def _normalise_suppressions() -> None:
    """Rows under an older spelling move to the normal form; the younger of two stays."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text("SELECT workspace, address, purpose, reason, at FROM campaign.suppression")
    )
    for row in rows.mappings().all():
        address = normal_email(row["address"])
        if address == row["address"]:
            continue
        connection.execute(
            sa.text(
                "INSERT INTO campaign.suppression AS s (workspace, address, purpose, reason, at) "
                "VALUES (:workspace, :normal, :purpose, :reason, :at) "
                "ON CONFLICT (workspace, address, purpose) DO UPDATE SET "
                "at = greatest(s.at, excluded.at)"
            ),
            {**row, "normal": address},
        )
        connection.execute(
            sa.text(
                "DELETE FROM campaign.suppression WHERE workspace = :workspace "
                "AND address = :address AND purpose = :purpose"
            ),
            dict(row),
        )


def _collect_objections() -> None:
    """What the stored people have said no to."""
    connection = op.get_bind()
    insert = sa.text(
        "INSERT INTO campaign.objection (workspace, address, purpose, profile_id, word) "
        "VALUES (:workspace, :address, :purpose, :profile_id, :word) ON CONFLICT DO NOTHING"
    )
    for row in _people_who_object():
        for said in row["consent"]:
            purpose = normal_purpose(str(said.get("purpose", "")))
            channel = normal_channel(str(said.get("channel", "")))
            if channel != "email" or purpose is None or said.get("state") == "granted":
                continue
            values = {
                "workspace": row["workspace"],
                "profile_id": row["profile_id"],
                "address": normal_email(str(said.get("contact_point", ""))),
                "purpose": purpose,
                "word": said.get("state"),
            }
            connection.execute(insert, values)


def _people_who_object() -> Iterator[Any]:
    page = sa.text(
        "SELECT workspace, profile_id, state -> 'consent' AS consent FROM campaign.person "
        "WHERE (workspace, profile_id) > (:workspace, :profile_id) "
        "AND state::text ~ '\"(denied|withdrawn)\"' ORDER BY workspace, profile_id LIMIT :page"
    )
    place = {"workspace": "", "profile_id": ""}
    while True:
        rows = op.get_bind().execute(page, {**place, "page": PAGE}).mappings().all()
        yield from (one for one in rows if one["consent"])
        if len(rows) < PAGE:
            return
        place = {key: rows[-1][key] for key in place}


def downgrade() -> None:
    op.drop_table("objection", schema=SCHEMA)
    op.drop_constraint(op.f("ck_policy_unconfirmed_consent"), "policy", schema=SCHEMA)
    op.drop_column("policy", "unconfirmed_consent", schema=SCHEMA)
    op.drop_column("entry", "historic", schema=SCHEMA)
    op.drop_column("person", "into_version", schema=SCHEMA)
