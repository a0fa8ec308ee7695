"""What is posted to webhooks of segments."""

import msgspec

from rapport_common.events.membership import Membership


def body_of(record: Membership) -> bytes:
    """What is posted of an entry or an exit."""
    told = msgspec.to_builtins(record)
    del told["workspace"]
    return msgspec.json.encode(
        {"type": f"segment.{record.change}", "timestamp": record.at, "data": told}
    )
