"""Values that stand where an identifier is missing: taken at their word they merge strangers.

A form's empty field, a language's word for nothing, an unfilled template, a till's walk-in
customer: each arrives from many people. They identify nobody, whatever their case and the
blanks around them.
"""

import re
import unicodedata
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

_NOTHING = """
undefined null nil none nan void empty blank inf infinity -inf -infinity -1 -1.0 n/a na #n/a
#ref! #value! unknown unidentified anonymous anon no_user no_id not_set not_available
not_applicable not_provided not_authenticated unauthenticated not_logged_in missing deleted
redacted object object_object object_undefined ? ?? ???
"""
"""What languages, spreadsheets and forms write where there is nothing."""

_ANYBODY = """
guest guest_user visitor walk_in walkin test tester test_user dummy default true false
id userid user_id customerid customer_id distinctid distinct_id anonymousid anonymous_id deviceid
device_id email e_mail 9774d56d682e549c
"""
"""Whoever comes along, a column's own name, and the device id that many of Android 2.2 share."""

_NO_MAILBOX = """
noemail no_email nomail no_mail noemailaddress no_email_address email_not_provided donotreply
do_not_reply noreply no_reply null undefined nil none nan n/a na unknown anonymous not_provided
not_available object_object
"""


def _spaced(text: str) -> str:
    return text.replace("-", "_").replace(" ", "_")


PLACEHOLDERS = frozenset(_spaced(one) for one in (_NOTHING + _ANYBODY).split())
"""In plain form: lower case, `_` between words."""

_MAILBOXES = frozenset(_NO_MAILBOX.split())
_ZEROS = "0-.:{}_ "
_QUOTES = "\"'`<>()[]{} \t\r\n"
_ZEROS_AND_QUOTES = _ZEROS + _QUOTES
_NOTHINGS = frozenset(_spaced(one) for one in _NOTHING.split())
_PARTS = re.compile(r"[\s,;:|/&_-]+")
_TEMPLATES = ("{{", "${", "{%", "<%", "*|", "%%", "#{", "{!", "[[", "$(", "@{", "<?")
_TEMPLATE_SIGNS = frozenset("{%*&<$")
_TEMPLATE = re.compile(
    r"\{\{.*\}\}|\$\{.*\}|#\{.*\}|\{%.*%\}|<%.*%>|\*\|.*\|\*|%%.+%%|^%[a-z][\w.]*%$"
    r"|%(?:25)*7b.*%(?:25)*7d|%(?:25)*3c%(?:25)*25|&#0*123;|&#x0*7b;|&l(?:brace|cub);|&lt;%",
    re.DOTALL,
)
"""Fields of templates that nobody filled, also encoded for an address or for HTML."""

_OBJECTS = (
    "[object ",
    "[function",
    "function(",
    "function (",
    "promise {",
    "symbol(",
    "<function ",
)
"""JavaScript's and Python's words for a thing that is no text."""

_SHORTENED = re.compile(r"[+-]?\d+(?:[.,]\d+)?e\+\d{1,3}")
"""What a spreadsheet makes of a long number: all numbers that begin alike are written so."""

MAX_PLACEHOLDER = 64
"""A longer value is in no workspace's list of placeholders."""

MAX_READ = 1024
"""A longer value is no identifier anyway: its letters are not looked at."""

LONGEST_WORD = 20
"""Among the placeholders, the largest UUID aside."""

_MAX_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""RFC 9562, section 5.10: many libraries' word for none."""

_WORDS = PLACEHOLDERS | {_spaced(_MAX_UUID)}

NONE_MORE: frozenset[str] = frozenset()


def normal_identifier(value: str) -> str:
    """An id as it is compared: NFC, without blanks and format characters at its ends."""
    bare = value.strip()
    if bare.isascii():
        return bare
    while bare and _is_edge(bare[0]):
        bare = bare[1:]
    while bare and _is_edge(bare[-1]):
        bare = bare[:-1]
    return unicodedata.normalize("NFC", bare)


def _is_edge(one: str) -> bool:
    return one.isspace() or unicodedata.category(one) == "Cf"


def plain_identifier(value: str) -> str:
    """The form in which a value is compared with placeholders: NFKC, lower case, trimmed.

    Full-width and other look-alike letters are the plain ones; format characters are nothing.
    """
    if not value.isascii():
        value = "".join(one for one in value if unicodedata.category(one) != "Cf")
        value = unicodedata.normalize("NFKC", value)
    return value.strip().lower()


def plain_identifiers(values: Iterable[str]) -> frozenset[str]:
    """A workspace's own placeholders, made ready to be compared."""
    return frozenset(map(plain_identifier, values)) or NONE_MORE


def is_placeholder(value: str, more: AbstractSet[str] = NONE_MORE) -> bool:
    """Whether a value names nobody; `more` are a workspace's own, in plain form.

    Blanks, zeros alone (`0`, `0000`, the nil UUID), words for nothing or anybody, several of them
    (`null null`), all of these also in quotes or brackets (`"null"`, `(0)`), what is no text
    (`[object Object]`), templates that nobody filled (`{{user_id}}`, `%7B%7Buser_id%7D%7D`), and
    long numbers as spreadsheets shorten them (`1.23457E+11`).
    """
    value = value.strip()
    if value.isalnum() and value.isascii():
        # Most are one plain word: it is in a list, or it is not.
        word = value.lower()
        return not word.strip(_ZEROS) or word in _WORDS or word in more
    size = len(value)
    if not _TEMPLATE_SIGNS.isdisjoint(value) and _TEMPLATE.search(value.lower()) is not None:
        return True
    if size > LONGEST_WORD and not more and value.isascii() and (value[0] + value[-1]).isalnum():
        # What most ids are: the same verdict, without what none of them can be.
        plain = value.lower()
        return not plain.strip(_ZEROS) or plain == _MAX_UUID or _is_made_of_nothing(plain)
    if size > MAX_READ:
        return False
    plain = plain_identifier(value)
    if not plain.strip(_ZEROS_AND_QUOTES) or (more and plain in more):
        return True
    bare = _spaced(plain.strip(_QUOTES))
    return bare in _WORDS or plain.startswith(_TEMPLATES) or _is_made_of_nothing(plain)


def _is_made_of_nothing(plain: str) -> bool:
    """Whether it is a thing's text, a shortened number, or words for nothing alone."""
    if plain.startswith(_OBJECTS) or ("e+" in plain and _SHORTENED.fullmatch(plain) is not None):
        return True
    return _says_nothing(plain)


def _says_nothing(plain: str) -> bool:
    """Whether it is put together of words for nothing alone: a first and a last name, say."""
    if _PARTS.split(plain, maxsplit=1)[0].strip(_QUOTES) not in _NOTHINGS:
        return False
    parts = _PARTS.split(plain)
    return all(not one or one.strip(_QUOTES) in _NOTHINGS for one in parts)


def is_placeholder_email(address: str, more: AbstractSet[str] = NONE_MORE) -> bool:
    """Whether an address in normal form is nobody's mailbox: `null@example.com`, `noreply@…`.

    `test@` and `guest@` may well be mailboxes; a workspace that writes them for everybody names
    the whole address in `more`.
    """
    if more and address in more:
        return True
    local = _spaced(address.partition("@")[0])
    return local in _MAILBOXES or not local.strip(_ZEROS)
