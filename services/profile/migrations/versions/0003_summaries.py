"""What is known of a profile beside its identifiers, what overflows, one form of consents.

Revision: 0003, follows 0002.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from rapport_common.events.consent import normal_channel, normal_purpose
from rapport_common.events.contact import normal_contact_point
from rapport_common.events.identifiers import is_placeholder, is_placeholder_email

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "profile"
ROWS = 1_000
MAX_POINT = 320
NO_ADDRESS = "no address"

_PAGE = sa.text(
    "SELECT workspace, id, CAST(fold AS text) AS fold, CAST(expired AS text) AS expired "
    "FROM profile.identifier WHERE (workspace, id) > (:workspace, :id) "
    "ORDER BY workspace, id LIMIT :rows"
)
_STORE = sa.text(
    "UPDATE profile.identifier SET fold = CAST(:fold AS json), expired = CAST(:expired AS json) "
    "WHERE workspace = :workspace AND id = :id"
)
_CONTEST = sa.text(
    # Where several users are connected the links are looked at; the service takes it from there.
    "UPDATE profile.identifier SET contested = true WHERE kind <> 'user_id' "
    "AND (workspace, cluster_id) IN (SELECT workspace, cluster_id FROM profile.identifier "
    "WHERE kind = 'user_id' GROUP BY workspace, cluster_id HAVING count(*) > 1)"
)
_COUNT_MEMBERS = sa.text(
    "UPDATE profile.profile AS p SET members = i.members FROM ("
    "SELECT workspace, profile_id, count(*) AS members FROM profile.identifier "
    "WHERE profile_id IS NOT NULL GROUP BY workspace, profile_id) AS i "
    "WHERE i.workspace = p.workspace AND i.profile_id = p.id"
)


def upgrade() -> None:
    op.add_column(
        "identifier",
        sa.Column("contested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "profile",
        sa.Column("members", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "profile",
        sa.Column(
            "summary",
            postgresql.JSON(),
            nullable=True,
            comment="What is known of it; none before it was kept.",
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "overflow",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("identifier_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="trait or consent"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "value",
            postgresql.JSON(),
            nullable=False,
            comment="What gave way to newer ones in the fold.",
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "identifier_id", "kind", "name", name=op.f("pk_overflow")
        ),
        schema=SCHEMA,
    )
    op.add_column(
        "inbox",
        sa.Column("replaced", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        schema=SCHEMA,
    )
    op.execute(_CONTEST)
    op.execute(_COUNT_MEMBERS)
    _convert_folds()


def _convert_folds() -> None:
    """Give stored folds what they lack: consents in one form, and contact points."""
    bind = op.get_bind()
    workspace, last = "", UUID(int=0)
    while True:
        asked = {"workspace": workspace, "id": last, "rows": ROWS}
        page = bind.execute(_PAGE, asked).fetchall()
        if not page:
            return
        for row in page:
            fold, expired = _converted(row.fold), _converted(row.expired)
            if (fold, expired) != (row.fold, row.expired):
                key = {"workspace": row.workspace, "id": row.id}
                bind.execute(_STORE, {"fold": fold, "expired": expired, **key})
        workspace, last = page[-1].workspace, page[-1].id


def _converted(stored: str | None) -> str | None:
    if stored is None or not any(one in stored for one in ('"consent"', '"email"', '"phone"')):
        return stored
    fold = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
    said = fold.pop("consent", None)
    if said is not None:
        fold["consents"] = msgspec.Raw(msgspec.json.encode(_consents(said)))
    traits = msgspec.json.decode(fold.get("traits", msgspec.Raw(b"{}")), type=dict[str, Any])
    reach = {}
    for name, channel in (("email", "email"), ("phone", "sms")):
        value, stamp = traits.get(name, (None, None))
        if stamp is not None and (point := _point(channel, value)) != NO_ADDRESS:
            reach[channel] = [[point, stamp], None]
    if reach:
        fold["reach"] = msgspec.Raw(msgspec.json.encode(reach))
    return msgspec.json.encode(fold).decode()


def _point(channel: str, value: Any) -> str | None:
    """Where a trait says that somebody is reached: nowhere any more is None."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        return NO_ADDRESS
    text = "" if value is None else str(value)
    if is_placeholder(text):
        return None
    point = normal_contact_point(channel, text)
    if channel == "email":
        local, _at, domain = point.rpartition("@")
        known = bool(local and domain) and not is_placeholder_email(point)
    else:
        known = point.lstrip("+").isdigit()
    return point if known and len(point) <= MAX_POINT else NO_ADDRESS


def _when(stamp: list[str]) -> tuple[datetime, str, str]:
    """A stored stamp that can be compared: as texts 12:00:00Z would come after 12:00:00.5Z."""
    return msgspec.convert(stamp, tuple[datetime, str, str])


def _consents(said: msgspec.Raw) -> dict[str, list[Any]]:
    """[refused, granted, asked] by subject; each [state, wording, [at, message, source]]."""
    found: dict[str, list[Any]] = {}
    for name, one in msgspec.json.decode(said, type=dict[str, Any]).items():
        channel, purpose, point = msgspec.json.decode(name)
        channel, purpose = normal_channel(channel) or channel, normal_purpose(purpose) or purpose
        subject = [channel, purpose, normal_contact_point(channel, point)]
        key = msgspec.json.encode(subject).decode()
        place = 1 if one[0] == "granted" else 0
        kept = found.setdefault(key, [None, None, None])
        if kept[place] is None or _when(kept[place][2]) < _when(one[2]):
            kept[place] = one
    return found


def downgrade() -> None:
    op.drop_column("inbox", "replaced", schema=SCHEMA)
    op.drop_table("overflow", schema=SCHEMA)
    op.drop_column("profile", "summary", schema=SCHEMA)
    op.drop_column("profile", "members", schema=SCHEMA)
    op.drop_column("identifier", "contested", schema=SCHEMA)
