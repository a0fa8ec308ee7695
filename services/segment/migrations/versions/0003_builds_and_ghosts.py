"""Segments are built by jobs, and archived; people without an identifier are nobody.

Revision: 0003, follows 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "segment"
NAME_INDEX = "ix_definition_workspace_name"
# States that were told of a profile whose last event was taken back, and which nobody inherited.
GHOSTS = (
    "SELECT workspace, profile_id FROM segment.person "
    "WHERE state IS NOT NULL AND state -> 'identifiers' = '{}'"
)


def upgrade() -> None:
    _jobs()
    # What was defined before was built before it was answered.
    op.add_column(
        "definition",
        sa.Column("built_version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        schema=SCHEMA,
    )
    op.execute("UPDATE segment.definition SET built_version = version")
    op.add_column("definition", sa.Column("job", sa.Text()), schema=SCHEMA)
    op.add_column("definition", sa.Column("archived_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.drop_index(NAME_INDEX, table_name="definition", schema=SCHEMA)
    op.create_index(
        NAME_INDEX,
        "definition",
        ["workspace", "name"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("archived_at IS NULL"),
    )
    _end_ghosts()


def _jobs() -> None:
    def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=nullable)

    def count(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)

    def json(name: str) -> sa.Column[object]:
        return sa.Column(name, JSONB(), server_default=sa.text("'{}'"), nullable=False)

    op.create_table(
        "job",
        text("workspace"),
        text("id"),
        text("kind"),
        text("subject", nullable=True),
        text("state"),
        sa.Column("spec", JSONB(), nullable=False),
        json("position"),
        sa.Column("total", sa.BigInteger()),
        *map(count, ("done", "accepted", "rejected")),
        json("report"),
        text("error", nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        text("holder", nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name="pk_job"),
        schema=SCHEMA,
    )
    op.create_index("ix_job_state_held_until", "job", ["state", "held_until"], schema=SCHEMA)


def _end_ghosts() -> None:
    """Their stays end, with records and in the counts, and their states go."""
    op.execute(
        f"""
        WITH ended AS (
            UPDATE segment.membership AS m
            SET exited_at = now(), exit_reason = 'nobody has this profile any more'
            FROM ({GHOSTS}) AS g
            WHERE m.workspace = g.workspace AND m.profile_id = g.profile_id AND m.exited_at IS NULL
            RETURNING m.*
        ), told AS (
            INSERT INTO segment.outbox (topic, key, value)
            SELECT 'segment.membership', convert_to(CAST(e.profile_id AS text), 'UTF8'),
                convert_to(CAST(jsonb_build_object(
                    'workspace', e.workspace, 'profile_id', e.profile_id,
                    'profile_version', p.version, 'segment_id', e.segment_id,
                    'segment_version', e.segment_version, 'entry_id', e.entry_id,
                    'change', 'exited', 'at', to_char(now() AT TIME ZONE 'UTC',
                    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'cause', 'merge', 'reason', e.exit_reason
                ) AS text), 'UTF8')
            FROM ended e JOIN segment.person p USING (workspace, profile_id)
        )
        INSERT INTO segment.tally AS t (name, value)
        SELECT 'exited', count(*) FROM ended HAVING count(*) > 0
        ON CONFLICT (name) DO UPDATE SET value = t.value + excluded.value
        """
    )
    op.execute(
        f"UPDATE segment.person SET state = NULL WHERE (workspace, profile_id) IN ({GHOSTS})"
    )


def downgrade() -> None:
    op.drop_index(NAME_INDEX, table_name="definition", schema=SCHEMA)
    op.execute("DELETE FROM segment.definition WHERE archived_at IS NOT NULL")
    op.create_index(NAME_INDEX, "definition", ["workspace", "name"], unique=True, schema=SCHEMA)
    for column in ("archived_at", "job", "built_version"):
        op.drop_column("definition", column, schema=SCHEMA)
    op.drop_table("job", schema=SCHEMA)
