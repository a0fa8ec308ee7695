"""What of a record Postgres can hold."""

from rapport_common.errors import InvalidEvent


def require_storable(index: int, *values: object) -> None:
    """Raise InvalidEvent(index) for a text with a NUL character: it can never be stored."""
    if any(isinstance(value, str) and "\0" in value for value in values):
        raise InvalidEvent(index, "a text has a NUL character")
