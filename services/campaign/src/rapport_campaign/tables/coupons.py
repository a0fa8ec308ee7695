"""Pools of coupons: each code is given to one message, once."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)

from rapport_campaign.tables.schema import METADATA, SCHEMA, Instant

# `low_at`: since when there are no more than `low_below` left, as was seen when one was given.
Table(
    "coupon_pool",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("low_below", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("low_at", Instant),
    Column("archived_at", Instant),
    Index(
        "ix_coupon_pool_low",
        "low_at",
        postgresql_where=text("low_at IS NOT NULL AND archived_at IS NULL"),
    ),
)

_FREE = "send_key IS NULL"
Table(
    "coupon",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("pool", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    # `infinity` for those that do not end: so one index has all that a search asks for.
    Column("expires_at", Instant, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("send_key", Text),
    Column("given_at", Instant),
    ForeignKeyConstraint(
        ["workspace", "pool"], [f"{SCHEMA}.coupon_pool.workspace", f"{SCHEMA}.coupon_pool.name"]
    ),
    Index(
        "ix_coupon_free", "workspace", "pool", "expires_at", "code", postgresql_where=text(_FREE)
    ),
    Index(
        "uq_coupon_send_key",
        "workspace",
        "send_key",
        unique=True,
        postgresql_where=text("send_key IS NOT NULL"),
    ),
)

# Files of codes until their jobs have read them, in parts.
Table(
    "coupon_file",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("part", BigInteger, primary_key=True),
    Column("content", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
)
