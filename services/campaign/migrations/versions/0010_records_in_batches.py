"""Records say their version wherever they wait, and the outbox holds batches of them.

Processes of the version before go on beside this one for as long as a deploy takes: what they
insert into `outbox` becomes a batch of one, in its place in the order, and their relay finds
nothing to send. So one relay sends all of it, in one order.

Revision: 0010, follows 0009.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
WAITING = ("dead_letter", "parked", "outbox_refused")


def upgrade() -> None:
    for table in WAITING:
        op.add_column(table, sa.Column("version", sa.SmallInteger()), schema=SCHEMA)
    op.create_table(
        "outbox_batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger()),
        sa.Column("keys", ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("payloads", ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("traces", ARRAY(sa.Text())),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_batch"),
        schema=SCHEMA,
    )
    op.execute(f"ALTER TABLE {SCHEMA}.outbox_batch ALTER COLUMN payloads SET STORAGE EXTERNAL")
    _move()
    _take_what_the_version_before_writes()


def _move() -> None:
    """What waits becomes batches of one, with ids beyond those that refused records have."""
    op.execute(f"LOCK TABLE {SCHEMA}.outbox IN ACCESS EXCLUSIVE MODE")
    op.execute(
        f"SELECT setval(pg_get_serial_sequence('{SCHEMA}.outbox_batch', 'id'), "
        f"nextval(pg_get_serial_sequence('{SCHEMA}.outbox', 'id')))"
    )
    op.execute(
        f"INSERT INTO {SCHEMA}.outbox_batch "
        "(topic, keys, payloads, traces, records, bytes, created_at) "
        "SELECT topic, ARRAY[key], ARRAY[value], ARRAY[traceparent], 1, "
        f"octet_length(key) + octet_length(value), created_at FROM {SCHEMA}.outbox ORDER BY id"
    )
    op.drop_table("outbox", schema=SCHEMA)


def _take_what_the_version_before_writes() -> None:
    op.execute(
        f"CREATE VIEW {SCHEMA}.outbox AS SELECT id, topic, keys[1] AS key, payloads[1] AS value, "
        f"traces[1] AS traceparent, created_at FROM {SCHEMA}.outbox_batch WHERE false"
    )
    op.execute(
        f"COMMENT ON VIEW {SCHEMA}.outbox IS "
        "'For processes of the release before, and always empty: what waits is in outbox_batch'"
    )
    op.execute(
        f"""
        CREATE FUNCTION {SCHEMA}.outbox_of_before() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO {SCHEMA}.outbox_batch (topic, keys, payloads, traces, records, bytes)
            VALUES (NEW.topic, ARRAY[NEW.key], ARRAY[NEW.value], ARRAY[NEW.traceparent], 1,
                octet_length(NEW.key) + octet_length(NEW.value));
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER outbox_of_before INSTEAD OF INSERT ON {SCHEMA}.outbox "
        f"FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.outbox_of_before()"
    )


def downgrade() -> None:
    op.execute(f"DROP VIEW {SCHEMA}.outbox")
    op.execute(f"DROP FUNCTION {SCHEMA}.outbox_of_before")
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        schema=SCHEMA,
    )
    op.execute(
        f"SELECT setval(pg_get_serial_sequence('{SCHEMA}.outbox', 'id'), "
        f"(SELECT greatest(1, max(id)) FROM {SCHEMA}.outbox_refused))"
    )
    op.execute(
        f"INSERT INTO {SCHEMA}.outbox (topic, key, value, traceparent, created_at) "
        "SELECT topic, keys[n], payloads[n], traces[n], created_at "
        f"FROM {SCHEMA}.outbox_batch, generate_series(first + 1, records) AS n ORDER BY id, n"
    )
    op.drop_table("outbox_batch", schema=SCHEMA)
    for table in WAITING:
        op.drop_column(table, "version", schema=SCHEMA)
