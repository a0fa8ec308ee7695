"""Computed traits that workspaces define: definitions, states, and what has a time.

Revision: 0014, follows 0013.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "profile"
JSON = postgresql.JSON(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "computed_trait",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "version", sa.BigInteger(), nullable=False, comment="Of a name the greatest holds."
        ),
        sa.Column(
            "id", sa.BigInteger(), nullable=False, comment="Numbers the versions of all names."
        ),
        sa.Column(
            "changed", sa.BigInteger(), nullable=False, comment="Counts the workspace's changes."
        ),
        sa.Column(
            "stage",
            sa.Text(),
            nullable=False,
            comment="filling, telling, live, dropping, or dropped",
        ),
        sa.Column("definition", JSON, comment="None of the version that ends it."),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name=op.f("pk_computed_trait")),
        schema=SCHEMA,
    )
    _states("computed_state", "owner_id", "An identifier, or a profile with several.")
    _states("computed_expired", "identifier_id", None)
    _due()


def _states(table: str, owner: str, comment: str | None) -> None:
    op.create_table(
        table,
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(owner, sa.UUID(), nullable=False, comment=comment),
        sa.Column("trait", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", JSON, nullable=False),
        sa.PrimaryKeyConstraint("workspace", owner, "trait", name=op.f(f"pk_{table}")),
        schema=SCHEMA,
    )


def _due() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "due",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("try_at", instant, nullable=False),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("traceparent", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("failed_at", instant),
        sa.PrimaryKeyConstraint("workspace", "kind", "key", name=op.f("pk_due")),
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    for columns, condition in (
        (["kind", "try_at"], "failed_at IS NULL"),
        (["workspace", "kind", "try_at"], "failed_at IS NULL"),
        (["workspace", "kind", "failed_at"], "failed_at IS NOT NULL"),
    ):
        op.create_index(
            op.f(f"ix_due_{'_'.join(columns)}"),
            "due",
            columns,
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "due_lane",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", name=op.f("pk_due_lane")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("due_lane", "due", "computed_expired", "computed_state", "computed_trait"):
        op.drop_table(table, schema=SCHEMA)
