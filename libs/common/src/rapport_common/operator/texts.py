"""Texts that operators send: what Postgres and UTF-8 have no way to hold is refused in words."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def storable_text(text: str) -> str:
    """The same text; an error for a NUL (Postgres) or half a surrogate pair (RFC 3629, 3)."""
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain the NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "must not contain half a surrogate pair, which is no character"
        raise PydanticCustomError("surrogate", message) from None
    return text


StorableText = Annotated[str, AfterValidator(storable_text)]
