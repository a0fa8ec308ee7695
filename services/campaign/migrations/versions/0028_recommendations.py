"""Products, what people look at and buy of them, and what is recommended by it.

Revision: 0028, follows 0027.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)
NAME = sa.Text(collation="C")
FIELDS = ("name", "url", "image_url", "price", "category")


def upgrade() -> None:
    _products()
    _events()
    _worked_out()
    _recommended()


def _products() -> None:
    op.create_table(
        "product",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("sku", NAME, nullable=False),
        *(
            column
            for name in FIELDS
            for column in (sa.Column(name, sa.Text()), sa.Column(f"{name}_at", INSTANT))
        ),
        sa.Column("in_stock", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("blocked", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "sku", name=op.f("pk_product")),
        schema=SCHEMA,
    )
    _index("product", ["workspace", "category", "sku"])


def _events() -> None:
    op.create_table(
        "product_event",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("message_id", NAME, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("anchor", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("skus", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("counts", sa.ARRAY(sa.Integer()), nullable=False),
        sa.CheckConstraint(
            "kind IN ('viewed', 'ordered', 'returned')", name=op.f("ck_product_event_kind")
        ),
        sa.PrimaryKeyConstraint("workspace", "source", "message_id", name=op.f("pk_product_event")),
        schema=SCHEMA,
    )
    for name, columns, more in (
        ("of", ["workspace", "anchor", "kind", "at"], {}),
        ("subject", ["workspace", "subject"], {}),
        (
            "orders",
            ["workspace", "at"],
            {"postgresql_where": sa.text("trusted AND kind <> 'viewed'")},
        ),
        ("at", ["at"], {"postgresql_using": "brin"}),
    ):
        index = f"ix_product_event_{name}"
        op.create_index(index, "product_event", columns, schema=SCHEMA, **more)


def _worked_out() -> None:
    op.create_table(
        "product_rank",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.Column("sku", NAME, nullable=False),
        sa.Column("buyers", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text()),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("place_in_category", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "days", "sku", name=op.f("pk_product_rank")),
        schema=SCHEMA,
    )
    _index("product_rank", ["workspace", "days", "place"])
    _index("product_rank", ["workspace", "days", "category", "place_in_category"])
    op.create_table(
        "product_pair",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("sku", NAME, nullable=False),
        sa.Column("other", NAME, nullable=False),
        sa.Column("buyers", sa.Integer(), nullable=False),
        sa.Column("lift", sa.Float(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "sku", "other", name=op.f("pk_product_pair")),
        schema=SCHEMA,
    )
    op.create_table(
        "recommendation_standing",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("soonest_at", INSTANT, nullable=False),
        sa.Column("ranked_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_recommendation_standing")),
        schema=SCHEMA,
    )
    _index("recommendation_standing", ["next_at"])


def _recommended() -> None:
    op.create_table(
        "recommendation_slot",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "slot", name=op.f("pk_recommendation_slot")),
        schema=SCHEMA,
    )
    op.create_table(
        "recommended",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("skus", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", "slot", name=op.f("pk_recommended")),
        schema=SCHEMA,
    )
    _index("recommended", ["workspace", "profile_id"])
    op.create_table(
        "recommender",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("deadline_ms", sa.Integer(), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_recommender")),
        schema=SCHEMA,
    )


def _index(table: str, columns: list[str]) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns, schema=SCHEMA)


def downgrade() -> None:
    for table in (
        "recommender",
        "recommended",
        "recommendation_slot",
        "recommendation_standing",
        "product_pair",
        "product_rank",
        "product_event",
        "product",
    ):
        op.drop_table(table, schema=SCHEMA)
