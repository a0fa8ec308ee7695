"""By whose link something was said on a page, so that it goes with whose it is.

Revision: 0015, follows 0014. Words at an address for which a link was made, or a mail sent that
asks, are theirs; of what was said by the link of another mail the address is an identifier. And
the requests of an address are looked up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "campaign"


def upgrade() -> None:
    for table in ("preference", "suppression"):
        whose = sa.Column("profile_id", sa.Text(), comment="By whose link; null before 0015.")
        op.add_column(table, whose, schema=SCHEMA)
        op.execute(
            f"UPDATE {SCHEMA}.{table} t SET profile_id = v.profile_id FROM ("
            f"SELECT workspace, address, profile_id FROM {SCHEMA}.preference_link UNION ALL "
            f"SELECT workspace, address, profile_id FROM {SCHEMA}.opt_in) AS v "
            "WHERE t.workspace = v.workspace AND t.address = v.address"
        )
    op.create_index(
        op.f("ix_opt_in_workspace_address_asked_at"),
        "opt_in",
        ["workspace", "address", "asked_at"],
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_opt_in_workspace_address_asked_at"), "opt_in", schema=SCHEMA)
    for table in ("suppression", "preference"):
        op.drop_column(table, "profile_id", schema=SCHEMA)
