"""What is read of texts: enrichments, corrections, topics, models, spikes.

Revision: 0019, follows 0015.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INSTANT = sa.DateTime(timezone=True)
TEXTS = postgresql.ARRAY(sa.Text())


def upgrade() -> None:
    enrichments()
    _table(
        "text_correction",
        ["workspace", "text_id", "number"],
        _column("workspace"),
        _column("text_id", sa.UUID()),
        _column("number", sa.Integer()),
        _column("revision", sa.Integer()),
        sa.Column("topics", TEXTS),
        sa.Column("label", sa.Text()),
        _column("actor"),
        _column("at", INSTANT, "now()"),
    )
    op.create_foreign_key(
        op.f("fk_text_correction_workspace_text_id_text_enrichment"),
        "text_correction",
        "text_enrichment",
        ["workspace", "text_id"],
        ["workspace", "text_id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
        ondelete="CASCADE",
    )
    _table(
        "text_topic",
        ["workspace", "name", "version"],
        _column("workspace"),
        _column("name"),
        _column("version", sa.Integer()),
        sa.Column("document", sa.JSON()),
        _column("actor"),
        _column("reason"),
        _column("created_at", INSTANT, "now()"),
    )
    _table(
        "text_model",
        ["workspace", "model_id"],
        _column("workspace"),
        _column("model_id", sa.UUID()),
        _column("language"),
        _column("version", sa.Integer()),
        _column("model", sa.JSON()),
        _column("comparison", sa.JSON()),
        _column("active", sa.Boolean()),
        sa.Column("told_by", sa.Text()),
        _column("created_at", INSTANT, "now()"),
    )
    _index("text_model", "workspace", "language", "version", unique=True)
    _table(
        "text_spike",
        ["workspace", "topic", "day"],
        _column("workspace"),
        _column("topic"),
        _column("day", sa.Date()),
        _column("count", sa.Integer()),
        _column("expected", sa.Double()),
        _column("p", sa.Double()),
        _column("seen_at", INSTANT, "now()"),
    )


def downgrade() -> None:
    for table in ("text_spike", "text_model", "text_topic", "text_correction", "text_enrichment"):
        op.drop_table(table, schema=SCHEMA)


def enrichments() -> None:
    _table(
        "text_enrichment",
        ["workspace", "text_id"],
        _column("workspace"),
        _column("text_id", sa.UUID()),
        _column("source"),
        sa.Column("response_id", sa.UUID()),
        sa.Column("case_id", sa.UUID()),
        sa.Column("message_id", sa.Text()),
        _column("part"),
        _column("anonymous", sa.Boolean()),
        _column("at", INSTANT),
        _column("revision", sa.Integer()),
        _column("digest"),
        _column("state"),
        _column("old", sa.Boolean(), "false"),
        _column("free_at", INSTANT, "now()"),
        _column("attempts", sa.Integer(), "0"),
        sa.Column("reason", sa.Text()),
        sa.Column("read_by", sa.Text()),
        sa.Column("read_at", INSTANT),
        sa.Column("language", sa.Text()),
        sa.Column("sentiment", sa.Double()),
        sa.Column("label", sa.Text()),
        _column("topics", TEXTS, "'{}'"),
        sa.Column("said_label", sa.Text()),
        sa.Column("said_topics", TEXTS),
        _column("bands", postgresql.ARRAY(sa.BigInteger()), "'{}'"),
        sa.Column("result", sa.JSON()),
    )
    _index("text_enrichment", "old", "free_at", postgresql_where=sa.text("state = 'waiting'"))
    for one in ("at", "response_id", "case_id", "message_id"):
        _index("text_enrichment", "workspace", one)
    for one in ("topics", "bands"):
        _index("text_enrichment", one, postgresql_using="gin")


def _column(
    name: str, kind: sa.types.TypeEngine[Any] | None = None, default: str | None = None
) -> sa.Column[Any]:
    made = sa.text(default) if default is not None else None
    return sa.Column(name, kind or sa.Text(), server_default=made, nullable=False)


def _table(name: str, key: list[str], *columns: sa.Column[Any]) -> None:
    made = sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}"))
    op.create_table(name, *columns, made, schema=SCHEMA)


def _index(table: str, *columns: str, **options: Any) -> None:
    op.create_index(
        op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), schema=SCHEMA, **options
    )
