"""Brings what an earlier version held to now: as it was, a day later all of it is too old."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

from tests.past.keeping import Past

MARGIN = timedelta(minutes=1)
_INSTANT = re.compile(r"(20\d\d-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?=(?:\.\d{1,6})?(?:Z|\+00))")
_BYTES = re.compile(r"(?<=\\x)(?:[0-9a-f]{2})+")
_RECEIVED = re.compile(r'"received_at":"([^"]+)"')


def moved(past: Past, now: datetime) -> Past:
    """The same past, whose last event was received a minute before `now`.

    All instants of its rows, records and answers are moved by as many seconds. Ids and hashes are
    as they were: nothing is told by the times that went into them. So are the mails.
    """
    seconds = int((now - MARGIN - _ended(past)).total_seconds())
    by = timedelta(seconds=seconds)
    held = json.loads(_moved(json.dumps({"rows": past.rows, "answers": past.answers}), by))
    topics = {
        topic: {
            partition: [[one[0], _record(one[1], by), *one[2:]] for one in records]
            for partition, records in log.items()
        }
        for topic, log in past.topics.items()
    }
    return Past(past.revisions, held["rows"], topics, past.mails, held["answers"])


def _ended(past: Past) -> datetime:
    """When the last of its events was received."""
    records = [one[1] for log in past.topics["events"].values() for one in log]
    texts = [base64.b64decode(one).decode() for one in records if one is not None]
    return max(datetime.fromisoformat(_RECEIVED.findall(one)[-1]) for one in texts)


def _record(value: str | None, by: timedelta) -> str | None:
    if value is None:
        return None
    return base64.b64encode(_moved(base64.b64decode(value).decode(), by).encode()).decode()


def _moved(text: str, by: timedelta) -> str:
    def later(found: re.Match[str]) -> str:
        day, between, time = found.groups()
        at = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC) + by
        return f"{at:%Y-%m-%d}{between}{at:%H:%M:%S}"

    def within(found: re.Match[str]) -> str:
        # Bytes that hold no text in UTF-8 are keys and hashes.
        try:
            return _INSTANT.sub(later, bytes.fromhex(found[0]).decode()).encode().hex()
        except UnicodeDecodeError:
            return found[0]

    return _INSTANT.sub(later, _BYTES.sub(within, text))
