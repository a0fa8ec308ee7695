"""What all services read, and answer: who is to be forgotten. And who is, and was.

Revision: 0009, follows 0008.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "ingest"
INSTANT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
OURS = (
    *("relay_lease", "outbox_refused", "outbox_batch", "tally", "consumer_stop"),
    *("consumer_command", "parked", "parked_key", "dead_letter", "position"),
)


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("subjects", ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("profiles", ARRAY(sa.Text()), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("sweep", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("removed", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("try_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "request_id", name=op.f("pk_erasure")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_erasure_try_at"),
        "erasure",
        ["try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "erased",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "subject", name=op.f("pk_erased")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_erased_workspace_at"), "erased", ["workspace", "at"], schema=SCHEMA)
    _consumer()
    _parking()
    _outbox()


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _time(name: str, default: sa.TextClause | None = None) -> sa.Column[datetime]:
    return sa.Column(name, INSTANT, server_default=default, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.SmallInteger())


def _index(table: str, *columns: str) -> None:
    name = op.f(f"ix_{table}_{'_'.join(columns)}")
    op.create_index(name, table, list(columns), schema=SCHEMA)


def _consumer() -> None:
    op.create_table(
        "position",
        *(_text("grp"), _text("topic"), _number("partition")),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        _time("updated_at", NOW),
        sa.PrimaryKeyConstraint("grp", "topic", "partition", name=op.f("pk_position")),
        schema=SCHEMA,
    )
    op.create_table(
        "dead_letter",
        *(_id(), _text("grp"), _text("topic"), _number("partition")),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        *(_bytes("key", nullable=True), _bytes("value", nullable=True), _text("reason")),
        *(_text("workspace", nullable=True), _version(), _time("created_at", NOW)),
        sa.Column("replayed_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint(
            *("grp", "topic", "partition", "offset"),
            name=op.f("uq_dead_letter_grp_topic_partition_offset"),
        ),
        schema=SCHEMA,
    )
    _index("dead_letter", "created_at")
    _index("dead_letter", "workspace", "id")
    op.create_table(
        "consumer_command",
        *(_id(), _text("grp"), _text("command"), _text("issued_by"), _time("created_at", NOW)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumer_command")),
        schema=SCHEMA,
    )
    _index("consumer_command", "created_at")
    op.create_table(
        "consumer_stop",
        *(_text("grp"), _text("replica"), _text("reason"), _time("stopped_at", NOW)),
        sa.PrimaryKeyConstraint("grp", "replica", name=op.f("pk_consumer_stop")),
        schema=SCHEMA,
    )
    op.create_table(
        "tally",
        _text("name"),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tally")),
        schema=SCHEMA,
    )


def _parking() -> None:
    op.create_table(
        "parked_key",
        *(_id(), _text("grp"), _text("topic"), _number("partition"), _bytes("key")),
        *(_text("workspace", nullable=True), _text("reason")),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        *(_time("next_try_at"), _time("created_at", NOW)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_key")),
        sa.UniqueConstraint(
            "grp", "topic", "partition", "key", name=op.f("uq_parked_key_grp_topic_partition_key")
        ),
        schema=SCHEMA,
    )
    _index("parked_key", "grp", "next_try_at")
    _index("parked_key", "workspace", "id")
    op.create_table(
        "parked",
        *(_text("grp"), _text("topic"), _number("partition"), _bytes("key")),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        *(_bytes("value", nullable=True), _text("traceparent", nullable=True), _version()),
        _time("created_at", NOW),
        sa.PrimaryKeyConstraint(
            "grp", "topic", "partition", "key", "offset", name=op.f("pk_parked")
        ),
        schema=SCHEMA,
    )


def _outbox() -> None:
    op.create_table(
        "outbox_batch",
        *(_id(), _text("topic"), _version()),
        sa.Column("keys", ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("payloads", ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("traces", ARRAY(sa.Text())),
        *(_number("records"), _number("bytes")),
        sa.Column("first", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _time("created_at", NOW),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_batch")),
        schema=SCHEMA,
    )
    op.execute(f"ALTER TABLE {SCHEMA}.outbox_batch ALTER COLUMN payloads SET STORAGE EXTERNAL")
    op.create_table(
        "outbox_refused",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        *(_text("topic"), _version(), _bytes("key"), _bytes("value")),
        *(_text("traceparent", nullable=True), _text("workspace", nullable=True)),
        *(_text("reason"), _time("created_at"), _time("refused_at", NOW)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_refused")),
        schema=SCHEMA,
    )
    _index("outbox_refused", "workspace", "id")
    op.create_table(
        "relay_lease",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_relay_lease")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in OURS:
        op.drop_table(table, schema=SCHEMA)
    op.drop_table("erased", schema=SCHEMA)
    op.drop_table("erasure", schema=SCHEMA)
