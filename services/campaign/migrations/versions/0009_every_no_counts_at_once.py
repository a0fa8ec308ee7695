"""Objections in every word for them, of everybody who is stored: not only after the next activity.

A no to all channels or purposes, in a synonym or in a word that nobody knows is one to mails or
promotions. It was read so when a person's next state came; who is silent was not heard.

Revision: 0009, follows 0008.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from rapport_common.events.consent import is_channel, is_purpose, normal_channel, normal_purpose
from rapport_common.events.contact import normal_email

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PAGE = 1000
ALL = "all"
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def upgrade() -> None:
    insert = sa.text(
        "INSERT INTO campaign.objection (workspace, address, purpose, profile_id, word) "
        "VALUES (:workspace, :address, :purpose, :profile_id, :word) ON CONFLICT DO NOTHING"
    )
    for person in _people_who_object():
        who = {"workspace": person["workspace"], "profile_id": person["profile_id"]}
        rows = [
            {**who, "address": address, "purpose": purpose, "word": word}
            for (address, purpose), word in _words(person["consent"]).items()
            if word != "granted"
        ]
        if rows:
            op.get_bind().execute(insert, rows)


def _words(consent: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """By address and purpose the later word, at the same time the no."""
    latest: dict[tuple[str, str], tuple[datetime, bool, str]] = {}
    for one in consent:
        purpose = _purpose_by_mail(one["channel"], one["purpose"], one["state"])
        if purpose is None:
            continue
        place = (normal_email(one["contact_point"]), purpose)
        at = datetime.fromisoformat(one["at"]) if "at" in one else LONG_AGO
        word = (at, one["state"] != "granted", one["state"])
        latest[place] = max(word, latest.get(place, word))
    return {place: word for place, (_, _, word) in latest.items()}


def _purpose_by_mail(channel: str, purpose: str, state: str) -> str | None:
    """What a word about mails is about; None when it is about no mails."""
    channel, purpose = normal_channel(channel) or "", normal_purpose(purpose) or ""
    is_wide = purpose == ALL or not is_purpose(purpose)
    if state == "granted":
        return None if channel != "email" or is_wide else purpose
    if channel not in {"email", ALL} and is_channel(channel):
        return None
    return "promotion" if is_wide else purpose


def _people_who_object() -> Iterator[Any]:
    page = sa.text(
        "SELECT workspace, profile_id, state -> 'consent' AS consent FROM campaign.person "
        "WHERE (workspace, profile_id) > (:workspace, :profile_id) "
        "AND state::text ~ '\"(denied|withdrawn)\"' ORDER BY workspace, profile_id LIMIT :page"
    )
    place = {"workspace": "", "profile_id": ""}
    while True:
        rows = op.get_bind().execute(page, {**place, "page": PAGE}).mappings().all()
        yield from (one for one in rows if one["consent"])
        if len(rows) < PAGE:
            return
        place = {key: rows[-1][key] for key in place}


def downgrade() -> None:
    """The words stay: they were always meant to count."""
