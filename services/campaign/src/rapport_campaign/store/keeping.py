"""What campaign keeps of people for a time that a workspace chooses.

The ledger stays: that a message was sent, and what became of it, but not to which address.
"""

from rapport_campaign.tables import SCHEMA
from rapport_common.keeping.classes import DataClass
from rapport_common.keeping.holding import held_by

OVER_TIME = "over its time"
_ENDED = "t.planned_at < :before"
_MESSAGE = {"send_key": "text"}
_WITHOUT_ADDRESS = (
    "UPDATE campaign.message SET to_address = NULL, "
    f"reason = CASE WHEN reason IS NOT NULL THEN '{OVER_TIME}' END"
)
_HELD = held_by(SCHEMA, "page.profile_id")

CONTENTS = DataClass(
    name="contents",
    about="what single messages said: subject, text, data; what was recommended in messages",
    table="campaign.message",
    key=_MESSAGE,
    over=f"{_ENDED} AND (EXISTS (SELECT FROM campaign.content c "
    "WHERE c.workspace = t.workspace AND c.send_key = t.send_key) OR EXISTS (SELECT "
    "FROM campaign.recommended r WHERE r.workspace = t.workspace AND r.send_key = t.send_key))",
    gone=("DELETE FROM campaign.content", "DELETE FROM campaign.recommended"),
    owner=("profile_id",),
    held=_HELD,
    shortest=7,
)
ADDRESSES = DataClass(
    name="addresses",
    about="where messages were sent, and what servers said of it",
    table="campaign.message",
    key=_MESSAGE,
    over=f"{_ENDED} AND t.to_address IS NOT NULL",
    gone=(_WITHOUT_ADDRESS, "UPDATE campaign.outcome SET address = NULL, text = ''"),
    owner=("profile_id",),
    held=_HELD,
    # Bounces and complaints come within days.
    shortest=30,
)
PRICES = DataClass(
    name="prices",
    about="prices that messages have named, and by which rules",
    table="campaign.message_price",
    key=_MESSAGE,
    over="t.at < :before",
    gone=("DELETE FROM campaign.message_price",),
    owner=("profile_id",),
    held=_HELD,
    # Who has a mail comes with it within days.
    shortest=30,
)
QUOTES = DataClass(
    name="quotes",
    about="prices that were asked for and kept",
    table="campaign.offer_quote",
    key={"quote_id": "uuid"},
    over="t.created_at < :before",
    gone=("DELETE FROM campaign.offer_quote",),
    owner=("profile_id",),
    held=_HELD,
)
CLASSES = [CONTENTS, ADDRESSES, PRICES, QUOTES]
