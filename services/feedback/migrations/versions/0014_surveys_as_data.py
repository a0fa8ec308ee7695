"""Surveys are forms in versions; answers are to all their questions.

Revision: 0014, follows 0013.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INSTANT = sa.DateTime(timezone=True)

# What a survey was before: one question that is pressed, and a comment.
_FORMS = """
INSERT INTO feedback.survey_version (workspace, survey_id, version, document, actor, created_at)
SELECT workspace, survey_id, 1, jsonb_build_object(
    'languages', jsonb_build_array('en'), 'layout', 'press', 'pages', jsonb_build_array(
        jsonb_build_object('id', 'score', 'questions', jsonb_build_array(jsonb_build_object(
            'kind', kind, 'id', 'score', 'text', question, 'required', true))),
        jsonb_build_object('id', 'why', 'questions', jsonb_build_array(jsonb_build_object(
            'kind', 'text', 'id', 'comment', 'text', 'What is the main reason?'))))),
    'migration', created_at FROM feedback.survey
"""
# {table: (column, type, default)}; those without a default may be empty.
_ADDED: dict[str, list[tuple[str, Any, str | None]]] = {
    "survey": [("version", sa.Integer(), "1"), ("anonymous", sa.Boolean(), "false")],
    "invitation": [("context", JSONB(), "'{}'"), ("traits", JSONB(), "'{}'")],
    "response": [
        ("version", sa.Integer(), "1"),
        ("answers", JSONB(), "'{}'"),
        ("words", JSONB(), "'{}'"),
        ("done", ARRAY(sa.Text()), "'{}'"),
        ("state", sa.Text(), "'complete'"),
        ("finished_at", INSTANT, None),
        ("context", JSONB(), "'{}'"),
        ("anonymous", sa.Boolean(), "false"),
    ],
}


def _of_survey(table: str, *columns: sa.Column[object], key: tuple[str, ...]) -> None:
    op.create_table(
        table,
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("survey_id", UUID(as_uuid=True), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["workspace", "survey_id"],
            [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"],
            name=op.f(f"fk_{table}_workspace_survey_id_survey"),
        ),
        sa.PrimaryKeyConstraint("workspace", "survey_id", *key, name=op.f(f"pk_{table}")),
        schema=SCHEMA,
    )


def upgrade() -> None:
    for table, columns in _ADDED.items():
        for name, kind, default in columns:
            given = None if default is None else sa.text(default)
            column = sa.Column(name, kind, server_default=given, nullable=default is None)
            op.add_column(table, column, schema=SCHEMA)
    op.alter_column("response", "score", nullable=True, schema=SCHEMA)
    _of_survey(
        "survey_version",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", JSONB(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        key=("version",),
    )
    _of_survey(
        "survey_quota",
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("quota", sa.Text(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        key=("wave", "quota"),
    )
    op.execute(_FORMS)


# Surveys, links and answers that the version before has no place for: other kinds, nobody's.
_UNKNOWN = """
DELETE FROM feedback.{table} t USING feedback.survey s
WHERE t.workspace = s.workspace AND t.survey_id = s.survey_id AND (s.kind <> 'nps' OR s.anonymous)
"""


def downgrade() -> None:
    """What the version before can't hold goes: answers without a score, surveys other than NPS."""
    op.drop_table("survey_quota", schema=SCHEMA)
    op.drop_table("survey_version", schema=SCHEMA)
    op.execute("DELETE FROM feedback.response WHERE score IS NULL")
    for table in ("response", "invitation"):
        op.execute(_UNKNOWN.format(table=table))
    op.execute("DELETE FROM feedback.survey WHERE kind <> 'nps' OR anonymous")
    op.alter_column("response", "score", nullable=False, schema=SCHEMA)
    for table, columns in _ADDED.items():
        for name, *_ in reversed(columns):
            op.drop_column(table, name, schema=SCHEMA)
