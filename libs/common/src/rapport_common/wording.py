"""What is wrong with an input, in the words of JSON and HTTP: senders do not have to know Python.

The libraries that read inputs speak of `str` and `NoneType`, of codecs and recursion. All that a
caller reads of their errors goes through here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_WORDS: Mapping[str, str] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "dict": "object",
    "list": "array",
    "tuple": "array",
    "bytes": "string",
    "None": "null",
    "NoneType": "null",
    "datetime": "time",
}
_NAMED = re.compile(r"`(\w+)`")
_PHRASES: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"^(?:Value|Assertion) error, "), ""),
    (re.compile(r"^Invalid isoformat string: "), ""),
    (re.compile(r"^fromisoformat: argument must be str"), "it must be a text"),
    (re.compile(r"\bInput should be\b"), "it must be"),
    (
        re.compile(r"a valid dictionary or (?:instance|object) (?:of|to extract fields from).*"),
        "an object",
    ),
    (re.compile(r"\ba valid dictionary\b"), "an object"),
    (re.compile(r"\ba valid (?:list|tuple|set)\b"), "an array"),
    (re.compile(r"\bit must be None\b"), "it must be null"),
    (re.compile(r"\bValid (?:list|tuple|set)\b"), "Array"),
    (re.compile(r"\b(List|Tuple|Set) should have\b"), "the array must have"),
    (re.compile(r"\bDictionary should have\b"), "the object must have"),
    (re.compile(r"\bString should\b"), "the text must"),
    (re.compile(r"\bExtra inputs are not permitted\b"), "there is no such field"),
    (re.compile(r"\bField required\b"), "it is missing"),
)
# Of a union pydantic names the alternative that it tried, as it is called inside.
_INSIDE = re.compile(
    r"(?:function|constrained|lax-or-strict|tagged-union|json-or-python|nullable|literal|is-instance|str-enum)"
    r"[-\[].*|(?:dict|list|tuple|set|union)\[.*"
)


def plain(error: BaseException) -> str:
    """What an error of a reader says, without its author's language; no full stop at the end."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 from byte {error.start} on"
    if isinstance(error, UnicodeEncodeError):
        return "it has half a surrogate pair, which is no character"
    if isinstance(error, msgspec.MsgspecError):
        return _NAMED.sub(_word, str(error)).rstrip(".")
    return told_by_pydantic(str(error)).rstrip(".")


def told_by_pydantic(message: str) -> str:
    """One of pydantic's messages, without its prefix and Python's names of types."""
    for pattern, instead in _PHRASES:
        message = pattern.sub(instead, message)
    return message


def place(path: Sequence[Any]) -> str:
    """Where in a request: `body.items.0.name`, without the names of what was tried there."""
    return ".".join(str(one) for one in path if not _INSIDE.fullmatch(str(one)))


def _word(found: re.Match[str]) -> str:
    word = found[1]
    return f"`{_WORDS.get(word, word)}`"
