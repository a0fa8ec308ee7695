"""Words that a sender should never read: they are our programming language's."""

import re

PYTHON = re.compile(
    r"isoformat|Value error|Assertion error|Traceback|NoneType|codec can't|recursion depth"
    r"|\b(?:Value|Type|Key|Index|Attribute|Runtime|Recursion|Unicode\w*)Error\b"
    r"|has no attribute|positional argument|keyword argument|dictionary|\bJSONDecode"
    r"|[`'](?:int|str|float|bool|dict|list|bytes|tuple|Markup|None)[`']|<class |__\w+__"
    r"|rapport_\w+\.|msgspec|pydantic|function-(?:after|before|wrap)|constrained-"
)


def python_in(text: str) -> str | None:
    """The first such word, with what stands around it."""
    found = PYTHON.search(text)
    return text[max(0, found.start() - 60) : found.end() + 60] if found else None
