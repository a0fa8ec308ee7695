"""The tables of a service's webhooks: receivers, and the posts on their way to them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_common.due.tables import VACUUM

_INSTANT = DateTime(timezone=True)
_WAITS = text("ended_at IS NULL")


def webhook_tables(metadata: MetaData, *, keeps_delivered: bool) -> None:
    """Declare `webhook` and `webhook_post` in the service's schema.

    `keeps_delivered`: posts that were taken are kept for a while, and all are listed by their age;
    else they are removed at once, and an index less is written for each.
    """
    Table(
        "webhook",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("webhook_id", UUID(as_uuid=True), primary_key=True),
        Column("url", Text, nullable=False),
        # What it is told of, in the service's own terms.
        Column("wants", JSONB, nullable=False),
        Column("active", Boolean, nullable=False, server_default=text("true")),
        # Why it is not active.
        Column("reason", Text),
        # Sealed.
        Column("secret", Text, nullable=False),
        Column("former_secret", Text),
        Column("former_until", _INSTANT),
        # One after the other, since the last success; and since when nothing has succeeded.
        Column("failures", Integer, nullable=False, server_default=text("0")),
        Column("failing_since", _INSTANT),
        Column("paused_until", _INSTANT),
        Column("succeeded_at", _INSTANT),
        Column("failed_at", _INSTANT),
        Column("created_at", _INSTANT, nullable=False),
        Column("created_by", Text, nullable=False),
        Column("archived_at", _INSTANT),
        Index(None, "workspace", "url", unique=True, postgresql_where=text("archived_at IS NULL")),
    )
    posts = _posts(metadata)
    if keeps_delivered:
        columns = posts.columns
        Index(
            None,
            columns.workspace,
            columns.webhook_id,
            columns.created_at,
            columns.post_id,
        )


def _posts(metadata: MetaData) -> Table:
    # A post waits until it has `ended_at`: it was delivered, or with `dead` given up. Those of a
    # subject leave in the order of `number`. Who it is about may be nobody: an empty `profile_id`.
    return Table(
        "webhook_post",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("post_id", UUID(as_uuid=True), primary_key=True),
        Column("webhook_id", UUID(as_uuid=True), nullable=False),
        Column("subject", Text, nullable=False),
        Column("profile_id", Text, nullable=False),
        Column("number", BigInteger, Identity(always=True), nullable=False),
        Column("body", Text, nullable=False),
        Column("created_at", _INSTANT, nullable=False, server_default=text("now()")),
        Column("try_at", _INSTANT, nullable=False, server_default=text("now()")),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("tried_at", _INSTANT),
        Column("holder", UUID(as_uuid=True)),
        Column("status", Integer),
        Column("error", Text),
        Column("ended_at", _INSTANT),
        Column("dead", Boolean, nullable=False, server_default=text("false")),
        # What is due, and whether it is the first of its subject.
        Index(None, "workspace", "webhook_id", "try_at", postgresql_where=_WAITS),
        Index(None, "workspace", "webhook_id", "subject", "number", postgresql_where=_WAITS),
        # What was given up, and what is removed.
        Index(
            "ix_webhook_post_dead",
            *("workspace", "webhook_id", "created_at", "post_id"),
            postgresql_where=text("dead"),
        ),
        Index("ix_webhook_post_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        # Who is forgotten.
        Index(None, "workspace", "profile_id"),
        # It is written and removed all the time.
        postgresql_with=VACUUM,
    )
