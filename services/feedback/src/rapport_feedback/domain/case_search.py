"""What is looked for in cases, as Postgres asks for it."""

import re
from unicodedata import normalize

MOST_WORDS, MOST_LETTERS = 10, 200
_DENSE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = rf"[^\W_{_DENSE}]+"
_PARTS = re.compile(rf"[{_DENSE}]+|{_WORD}(?:[-._/@]+{_WORD})*")
_IS_DENSE = re.compile(rf"[{_DENSE}]")
SHORTEST_BEGINNING = 3


def only(workspace: str) -> str:
    """The word that all texts of a workspace have, as a tsquery."""
    return _quoted(f"@{workspace}")


def query_of(asked: str) -> str | None:
    """What to_tsquery makes the query of all these words of; None: there is no word in it.

    Words are found by their beginnings, from three letters on. What is joined by hyphens, dots and
    alike, such as the number of an order, is left to it in one piece: so it is taken apart as the
    texts were. Digits are found as the end of such a number, too. Characters of Chinese, Japanese
    and Korean are words each, and stand one behind the other as they were asked for.
    """
    parts = _PARTS.findall(normalize("NFC", asked[:MOST_LETTERS]))[:MOST_WORDS]
    return " & ".join(_term(one) for one in parts) or None


def _term(part: str) -> str:
    if _IS_DENSE.match(part):
        return "(" + " <-> ".join(_quoted(one) for one in part) + ")"
    beginning = ":*" if len(part) >= SHORTEST_BEGINNING else ""
    term = _quoted(part.lower()) + beginning
    # Of `A-1234` Postgres makes the words `a` and `-1234`.
    return f"({term} | {_quoted('-' + part)}{beginning})" if part.isdecimal() else term


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
