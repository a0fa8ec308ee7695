"""How complaints came in, what came with them, and what was given back."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from rapport_feedback.tables.schema import METADATA, SCHEMA, Id, Instant


def _of_case() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    )


# Forms that anybody may fill in who has the link.
Table(
    "complaint_form",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("form_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("per_hour", Integer, nullable=False),
    Column("files", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("archived_at", Instant),
)

# Addresses of mail to which people complain; `trusted` are the servers whose word on a sender
# counts (RFC 8601, authserv-id).
Table(
    "complaint_address",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("trusted", ARRAY(Text), nullable=False),
    Column("after_closing", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    # A mail carries no workspace.
    UniqueConstraint("address"),
)

# By which way a case came, and who its writer says to be: unless it is verified, nobody is found
# by that, and nobody's timeline has it.
Table(
    "case_arrival",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("email", Text),
    Column("phone", Text),
    Column("name", Text),
    Column("at", Instant, nullable=False),
    # The same words of the same sender on the same day are one complaint.
    Column("digest", LargeBinary),
    _of_case(),
    UniqueConstraint("workspace", "digest"),
    Index(None, "workspace", "place", "at"),
    Index(None, "workspace", "email", postgresql_where=text("email IS NOT NULL")),
)

# What is known of a mail beside its text, which is in `case_message`.
Table(
    "case_mail",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("case_id", Id, nullable=False),
    Column("sender", Text, nullable=False),
    Column("own_id", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("automatic", Text, nullable=False),
    Column("quoted", Text, nullable=False),
    Column("at", Instant, nullable=False),
    _of_case(),
    Index(None, "workspace", "case_id"),
    Index(None, "workspace", "sender", "at"),
)

# Files of cases; their content is in pieces.
Table(
    "attachment",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("attachment_id", Id, primary_key=True),
    Column("case_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("origin", Text, nullable=False),
    Column("refused", Text, nullable=False, server_default=text("''")),
    Column("at", Instant, nullable=False),
    _of_case(),
    Index(None, "workspace", "case_id"),
)

Table(
    "attachment_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("attachment_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "attachment_id"],
        [f"{SCHEMA}.attachment.workspace", f"{SCHEMA}.attachment.attachment_id"],
        ondelete="CASCADE",
    ),
)

# Templates, macros, connectors, reasons, causes and limits of goodwill: small documents by name.
Table(
    "case_catalogue",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("archived_at", Instant),
)

# What posts of connectors have made: an id of theirs is one case, or one message, for ever.
Table(
    "connector_post",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("connector", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("case_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    _of_case(),
    Index(None, "workspace", "case_id"),
)

# Why a case came to be, as staff have found.
Table(
    "case_cause",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    _of_case(),
    Index(None, "workspace", "cause"),
)

# What is done so that a cause makes no more cases.
Table(
    "corrective_action",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("action_id", Id, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("due_on", Date),
    Column("done_on", Date),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Index(None, "workspace", "cause"),
)

# What was given to customers beside an answer: facts, each once.
Table(
    "goodwill",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("goodwill_id", Id, primary_key=True),
    Column("case_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
    Column("cost", Numeric, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    _of_case(),
    Index(None, "workspace", "case_id"),
    Index(None, "workspace", "at"),
)
