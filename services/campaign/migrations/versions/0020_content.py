"""Templates with versions and languages, snippets, pools of coupons, parameters of links.

Revision: 0020, follows 0019.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)
ID = sa.UUID(as_uuid=False)


def upgrade() -> None:
    _campaigns()
    _templates()
    _snippets()
    _coupons()


def downgrade() -> None:
    for table in (
        "coupon_file",
        "coupon",
        "coupon_pool",
        "message_language",
        "snippet_version",
        "snippet",
        "template_version",
        "template",
    ):
        op.drop_table(table, schema=SCHEMA)
    op.drop_index("ix_campaign_template", "campaign", schema=SCHEMA)
    for column in ("coupon_pool", "utm", "languages", "template_version", "template_id"):
        op.drop_column("campaign", column, schema=SCHEMA)
    op.drop_column("policy", "language", schema=SCHEMA)


def _campaigns() -> None:
    op.add_column("policy", sa.Column("language", sa.Text()), schema=SCHEMA)
    empty = sa.text("'{}'")
    for column in (
        sa.Column("template_id", ID),
        sa.Column("template_version", sa.Integer()),
        sa.Column("languages", sa.Text(), nullable=False, server_default=empty),
        sa.Column("utm", sa.Text(), nullable=False, server_default=empty),
        sa.Column("coupon_pool", sa.Text()),
    ):
        op.add_column("campaign", column, schema=SCHEMA)
    op.create_index(
        "ix_campaign_template",
        "campaign",
        ["workspace", "template_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("template_id IS NOT NULL"),
    )


def _templates() -> None:
    op.create_table(
        "template",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("template_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "template_id", name=op.f("pk_template")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_template_created",
        "template",
        ["workspace", "created_at", "template_id"],
        schema=SCHEMA,
    )
    op.create_table(
        "template_version",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("template_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("compiled", sa.JSON(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("variables", sa.JSON(), nullable=False),
        *_by(),
        sa.ForeignKeyConstraint(
            ["workspace", "template_id"],
            [f"{SCHEMA}.template.workspace", f"{SCHEMA}.template.template_id"],
            name=op.f("fk_template_version_workspace_template_id_template"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "template_id", "version", name=op.f("pk_template_version")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "message_language",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", name=op.f("pk_message_language")),
        schema=SCHEMA,
    )


def _snippets() -> None:
    op.create_table(
        "snippet",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_snippet")),
        schema=SCHEMA,
    )
    op.create_table(
        "snippet_version",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        *_by(),
        sa.ForeignKeyConstraint(
            ["workspace", "name"],
            [f"{SCHEMA}.snippet.workspace", f"{SCHEMA}.snippet.name"],
            name=op.f("fk_snippet_version_workspace_name_snippet"),
        ),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name=op.f("pk_snippet_version")),
        schema=SCHEMA,
    )


def _coupons() -> None:
    op.create_table(
        "coupon_pool",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("low_below", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("low_at", INSTANT),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_coupon_pool")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_coupon_pool_low",
        "coupon_pool",
        ["low_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("low_at IS NOT NULL AND archived_at IS NULL"),
    )
    op.create_table(
        "coupon",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text()),
        sa.Column("given_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["workspace", "pool"],
            [f"{SCHEMA}.coupon_pool.workspace", f"{SCHEMA}.coupon_pool.name"],
            name=op.f("fk_coupon_workspace_pool_coupon_pool"),
        ),
        sa.PrimaryKeyConstraint("workspace", "pool", "code", name=op.f("pk_coupon")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_coupon_free",
        "coupon",
        ["workspace", "pool", "expires_at", "code"],
        schema=SCHEMA,
        postgresql_where=sa.text("send_key IS NULL"),
    )
    op.create_index(
        "uq_coupon_send_key",
        "coupon",
        ["workspace", "send_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("send_key IS NOT NULL"),
    )
    op.create_table(
        "coupon_file",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("workspace", "job_id", "part", name=op.f("pk_coupon_file")),
        schema=SCHEMA,
    )


def _by() -> list[sa.Column[object]]:
    return [
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    ]
