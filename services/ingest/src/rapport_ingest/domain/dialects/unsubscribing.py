"""A client that states an unsubscribe among a person's attributes: the withdrawal that it is.

As a trait it would hold nobody's mail back. A permission is one of an address, so the withdrawal
is for the one that comes with it; without one it is refused, where its sender looks.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from rapport_common.events.reserved import CONSENT_UPDATED
from rapport_ingest.domain.dialects.draft import Draft, value_of

SUFFIX = "#unsubscribed"
_NO = frozenset({"", "0", "false", "no", "null", "none"})


def withdrawals(draft: Draft, traits: dict[str, Any], path: str) -> Sequence[Draft]:
    """The `Consent Updated` beside an identify whose attribute `path` says "unsubscribed"; or none.

    `traits` under the names of Segment's spec, but for `path`. A value that nobody understands is
    an unsubscribe; "no longer unsubscribed" is nothing: it shows no consent.
    """
    if not _is_yes(_plain(traits.get(path))):
        return ()
    other = Draft()
    for field in ("userId", "anonymousId", "timestamp"):
        other.put((field,), draft.fields.get(field))
    if message_id := draft.fields.get("messageId"):
        other.message_id(f"{message_id}{SUFFIX}", path)
    said = {"channel": "email", "purpose": "promotion", "state": "withdrawn"}
    email = _plain(traits.get("email"))
    if email:
        said["contact_point"] = email
    else:
        reason = f"{path} withdraws the permission of an e-mail address: send that with it."
        other.refuse("invalid_consent", path, reason)
    other.fields |= {"type": "track", "event": CONSENT_UPDATED, "properties": said}
    return (other,)


def _plain(value: Any) -> Any:
    return value_of(value) if isinstance(value, msgspec.Raw) else value


def _is_yes(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in _NO
    return bool(value)
