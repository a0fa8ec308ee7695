"""Events of people are kept, and by which identifiers they are whose.

Who is known already has the anchors of the identifiers that are held of them. Events are there from
now on; those of before come with a refill.

Revision: 0018, follows 0017.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE segment.happening (workspace text NOT NULL, "
        'source text COLLATE "C" NOT NULL, message_id text COLLATE "C" NOT NULL, '
        "anchor bytea NOT NULL, name text NOT NULL, at timestamptz NOT NULL, "
        "received_at timestamptz NOT NULL, copy integer NOT NULL, properties jsonb NOT NULL, "
        "CONSTRAINT pk_happening PRIMARY KEY (workspace, source, message_id))"
    )
    op.execute("CREATE INDEX ix_happening_told ON segment.happening (workspace, anchor, name, at)")
    op.execute("CREATE INDEX ix_happening_at ON segment.happening USING brin (at)")
    op.execute(
        "CREATE TABLE segment.anchor (workspace text NOT NULL, profile_id uuid NOT NULL, "
        "anchor bytea NOT NULL, "
        "CONSTRAINT pk_anchor PRIMARY KEY (workspace, profile_id, anchor))"
    )
    op.execute(
        "INSERT INTO segment.anchor (workspace, profile_id, anchor) "
        "SELECT DISTINCT p.workspace, p.profile_id, substr(sha256(convert_to(k.key, 'UTF8') || "
        "decode('00', 'hex') || convert_to(v.value, 'UTF8')), 1, 16) FROM segment.person p, "
        "jsonb_each(p.identifiers) AS k, jsonb_array_elements_text(k.value) AS v"
    )
    op.execute("CREATE INDEX ix_anchor_of ON segment.anchor (workspace, anchor)")


def downgrade() -> None:
    op.execute("DROP TABLE segment.anchor")
    op.execute("DROP TABLE segment.happening")
