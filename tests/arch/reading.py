"""What the checks of the structure want to know of a Python file: it is parsed once for all."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Facts:
    """What a file consists of; a syntax tree is a hundred times as large, and is not kept."""

    lines: int
    functions: list[tuple[str, int]] = field(default_factory=list)
    """Each function's name and its length in lines, decorators left out."""
    imports: set[str] = field(default_factory=set)
    """The modules that are imported by statement, in full."""
    named: set[str] = field(default_factory=set)
    """What is handed to a call such as `import_module("...")`."""
    attributes: set[str] = field(default_factory=set)
    """The names after a dot."""


def facts_of(source: str, filename: str = "<unknown>") -> Facts:
    facts = Facts(len(source.splitlines()))
    for node in ast.walk(ast.parse(source, filename=filename)):
        match node:
            case ast.Attribute():
                facts.attributes.add(node.attr)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                facts.functions.append((node.name, length))
            case ast.Import():
                facts.imports.update(alias.name for alias in node.names)
            case ast.ImportFrom() if node.module:
                facts.imports.add(node.module)
            case ast.Call() if "import" in name_of(node):
                constants = [one.value for one in node.args if isinstance(one, ast.Constant)]
                facts.named.update(map(str, constants))
    return facts


def read(files: list[Path]) -> dict[Path, Facts]:
    return {path: facts_of(path.read_text(), str(path)) for path in files}


def name_of(call: ast.AST) -> str:
    """What is called, as it is written: `asyncio.sleep`; empty for what is no call of a name."""
    if not isinstance(call, ast.Call):
        return ""
    return ".".join(reversed(list(_words(call.func))))


def _words(function: ast.AST) -> Iterator[str]:
    while isinstance(function, ast.Attribute):
        yield function.attr
        function = function.value
    yield function.id if isinstance(function, ast.Name) else ""
