"""What is looked for in cases, as Postgres asks for it."""

import re

MOST_WORDS, MOST_LETTERS = 10, 200
_DENSE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PARTS = re.compile(rf"[{_DENSE}]+|[^\W{_DENSE}]+(?:[.@][^\W{_DENSE}]+)*")
_IS_DENSE = re.compile(rf"[{_DENSE}]")
SHORTEST_BEGINNING = 3


def query_of(workspace: str, asked: str) -> str | None:
    """The query of a workspace's cases in which all words are; None: there is no word in it.

    Words are found by their beginnings, from three letters on. Characters of Chinese, Japanese and
    Korean are words each, and stand one behind the other as they were asked for.
    """
    terms = []
    for part in _PARTS.findall(asked[:MOST_LETTERS])[:MOST_WORDS]:
        if _IS_DENSE.match(part):
            terms.append("(" + " <-> ".join(_quoted(one) for one in part) + ")")
        else:
            beginning = ":*" if len(part) >= SHORTEST_BEGINNING else ""
            terms.append(_quoted(part.lower()) + beginning)
    if not terms:
        return None
    return " & ".join([_quoted(f"@{workspace}"), *terms])


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
