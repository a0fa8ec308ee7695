"""Templates as functions: what the usual nodes do, without the engine's way from one to the next.

In the engine each node and each expression is four calls away from the one above. Texts, outputs,
conditions and loops are nearly all of a mail; here each is one function, made when the template is
parsed. Whatever else there is, the engine's own node renders. What comes out, and every number of
the meter, is what the engine has: a property test holds one against the other.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from liquid import Environment, RenderContext, escape
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.for_tag import ForLoop, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import (
    BreakLoop,
    ContinueLoop,
    LiquidInterrupt,
    OutputStreamLimitError,
    ResourceLimitError,
    StopRender,
)
from liquid.stringify import to_liquid_string

from rapport_campaign.render import meter
from rapport_campaign.render.filters import text_of
from rapport_campaign.render.meter import MAX_STEPS, MAX_VALUE, MAX_WORK, Spent
from rapport_campaign.render.values import Value, value_of

PASSES = (ResourceLimitError, LiquidInterrupt, StopRender, RecursionError)
"""What ends a rendering, or a loop; all else is data that do not fit, and Liquid goes on."""

_SPECIAL = re.compile("[&<>\"']").search


class Written:
    """What is rendered so far, in the pieces in which it came; `size` in bytes, as the limit."""

    __slots__ = ("limit", "pieces", "size")

    def __init__(self, limit: int) -> None:
        self.pieces: list[str] = []
        self.size = 0
        self.limit = limit

    def write(self, text: str, /) -> int:
        """Write for a node of the engine, which counts by the account that is open."""
        meter.work(len(text) if len(text) < MAX_VALUE else 0)
        self._add(text)
        return len(text)

    def say(self, text: str, spent: Spent) -> None:
        """Write, and count it; the caller's block looks at the account."""
        length = len(text)
        if length < MAX_VALUE:
            spent.work += length
        self.size += length if text.isascii() else len(text.encode())
        if self.size > self.limit:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        self.pieces.append(text if type(text) is str and "\r" not in text else _plain(text))

    def getvalue(self) -> str:
        """All of it."""
        return "".join(self.pieces)

    def _add(self, text: str) -> None:
        self.size += len(text) if text.isascii() else len(text.encode())
        if self.size > self.limit:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        self.pieces.append(_plain(text))


Run = Callable[[RenderContext, Written, Spent], None]


def _plain(text: str) -> str:
    """A text with plain ends of lines; of one that is marked as safe, which changes what is added
    to it, the text alone.
    """
    plain = text if type(text) is str else str.__str__(text)
    return with_plain_ends(plain) if "\r" in plain else plain


def with_plain_ends(text: str) -> str:
    """A text as the engine's buffer keeps it: each line end is a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def runs_of(nodes: Iterable[Node], engine: Environment) -> list[Run]:
    """A function for each node of a template whose nodes count (see `engine`)."""
    return [_run(node, engine) for node in nodes]


def _kind(counted: Node) -> type[Any]:
    """What a node was before it was given a class that counts."""
    kind = type(counted)
    return kind.__mro__[1] if hasattr(kind, "is_counted") else kind


def _run(node: Node, engine: Environment) -> Run:
    kind = _kind(node)
    if isinstance(node, ContentNode) and kind is ContentNode:
        return _text(node)
    if isinstance(node, OutputNode) and kind is OutputNode:
        return _output(value_of(node.expression, engine), escapes=engine.autoescape)
    if isinstance(node, IfNode | UnlessNode) and kind in {IfNode, UnlessNode}:
        return _choice(node, engine)
    if isinstance(node, ForNode) and kind is ForNode:
        return _loop(node, engine)
    if isinstance(node, BlockNode) and kind is BlockNode and not node.blank:
        return _block(node, engine)
    return lambda context, written, _: _rendered(node, context, written)


def _rendered(node: Node, context: RenderContext, written: Any) -> None:
    node.render(context, written)


def _text(node: ContentNode) -> Run:
    said = with_plain_ends(node.text)
    length = len(node.text)
    try:
        size = len(node.text.encode())
    except UnicodeEncodeError:
        return lambda context, written, _: _rendered(node, context, written)
    work = length if length < MAX_VALUE else 0

    def run(_: RenderContext, written: Written, spent: Spent) -> None:
        spent.steps += 1
        spent.work += work
        written.size += size
        if written.size > written.limit:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        written.pieces.append(said)

    return run


def _output(value: Value, *, escapes: bool) -> Run:
    def run(context: RenderContext, written: Written, spent: Spent) -> None:
        spent.steps += 1
        try:
            found = value(context, spent)
            if type(found) is str:
                text = escape(found) if escapes and _SPECIAL(found) else found
            else:
                # The engine prints the words of its own language.
                plain = found if hasattr(found, "__html__") else text_of(found)
                text = to_liquid_string(plain, escapes)
            written.say(text, spent)
        except PASSES:
            raise
        except Exception:  # noqa: BLE001 - as in the engine: data alone
            return

    return run


def _block(node: BlockNode, engine: Environment) -> Run:
    runs = tuple(runs_of(node.nodes, engine))

    def run(context: RenderContext, written: Written, spent: Spent) -> None:
        spent.steps += 1
        # In a loop this is each turn: nothing goes on far beyond its budget.
        if spent.steps > MAX_STEPS or spent.work > MAX_WORK:
            meter.look(spent)
        for one in runs:
            one(context, written, spent)

    return run


def _choice(node: IfNode | UnlessNode, engine: Environment) -> Run:
    first = (value_of(node.condition, engine), _run(node.consequence, engine))
    others = [
        (value_of(one.expression, engine), _run(one.block, engine)) for one in node.alternatives
    ]
    default = _run(node.default, engine) if node.default else None
    wanted = isinstance(node, IfNode)
    condition, consequence = first

    def run(context: RenderContext, written: Written, spent: Spent) -> None:
        spent.steps += 1
        try:
            if bool(condition(context, spent)) is wanted:
                consequence(context, written, spent)
                return
            for other, block in others:
                if other(context, spent):
                    block(context, written, spent)
                    return
            if default is not None:
                default(context, written, spent)
        except PASSES:
            raise
        except Exception:  # noqa: BLE001 - as in the engine: data alone
            return

    return run


def _loop(node: ForNode, engine: Environment) -> Run:
    expression, name = node.expression, node.expression.identifier
    title = f"{name}-{expression.iterable}"
    block = _run(node.block, engine)
    default = _run(node.default, engine) if node.default else None

    def run(context: RenderContext, written: Written, spent: Spent) -> None:
        spent.steps += 1
        try:
            items, length = expression.evaluate(context)
            if not length:
                if default is not None:
                    default(context, written, spent)
                return
            turns = ForLoop(title, items, length, context.parentloop())
            namespace: dict[str, object] = {"forloop": turns, name: None}
            with context.loop(namespace, turns):
                for item in turns:
                    namespace[name] = item
                    try:
                        block(context, written, spent)
                    except ContinueLoop:
                        continue
                    except BreakLoop:
                        break
        except PASSES:
            raise
        except Exception:  # noqa: BLE001 - as in the engine: data alone
            return

    return run
