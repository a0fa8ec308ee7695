"""Jobs, and the keys of the requests that make them.

Revision: 0004, follows 0003.
"""

from functools import partial

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "profile"
EMPTY = sa.text("'{}'")
ZERO = sa.text("0")
NOW = sa.text("now()")

_text = partial(sa.Column, type_=sa.Text(), nullable=False)
_time = partial(sa.Column, type_=sa.DateTime(timezone=True))
_count = partial(sa.Column, type_=sa.BigInteger(), server_default=ZERO, nullable=False)


def upgrade() -> None:
    op.create_table(
        "job",
        _text("workspace"),
        _text("id"),
        _text("kind"),
        sa.Column("subject", sa.Text()),
        _text("state"),
        sa.Column("spec", JSONB(), nullable=False),
        sa.Column("position", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("total", sa.BigInteger()),
        _count("done"),
        _count("accepted"),
        _count("rejected"),
        sa.Column("report", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("error", sa.Text()),
        _time("created_at", server_default=NOW, nullable=False),
        _time("started_at"),
        _time("finished_at"),
        sa.Column("holder", sa.Text()),
        _time("held_until"),
        sa.Column("attempts", sa.Integer(), server_default=ZERO, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_job")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_job_state_held_until"), "job", ["state", "held_until"], schema=SCHEMA)
    op.create_table(
        "idempotency",
        _text("workspace"),
        _text("address"),
        _text("key"),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        _text("made_id"),
        _time("created_at", server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "address", "key", name=op.f("pk_idempotency")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("idempotency", schema=SCHEMA)
    op.drop_table("job", schema=SCHEMA)
