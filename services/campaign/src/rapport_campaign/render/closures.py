"""Templates as functions: what the usual nodes do, without the engine's way from one to the next.

In the engine each node and each expression is four calls away from the one above. Texts, outputs,
conditions and loops are nearly all of a mail; here each is one function, made when the template is
parsed. Whatever else there is, the engine's own node renders. What comes out, and every number of
the meter, is what the engine has: a property test holds one against the other.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from liquid import Environment, Markup, RenderContext, escape
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Path
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.logical import (
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
    is_truthy,
)
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    FalseLiteral,
    FloatLiteral,
    IntegerLiteral,
    Nil,
    StringLiteral,
    TrueLiteral,
)
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
from liquid.expression import Expression
from liquid.stringify import to_liquid_string

from rapport_campaign.render import meter
from rapport_campaign.render.comparison import equal, less
from rapport_campaign.render.filters import text_of
from rapport_campaign.render.meter import MAX_STEPS, MAX_VALUE, MAX_WORK, Spent

PASSES = (ResourceLimitError, LiquidInterrupt, StopRender, RecursionError)
"""What ends a rendering, or a loop; all else is data that do not fit, and Liquid goes on."""

_SPECIAL = re.compile("[&<>\"']").search
# The engine looks these up in a way of its own.
_WORDS = {"size", "first", "last"}


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
_Value = Callable[[RenderContext, Spent], Any]


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


def _kind(counted: Node | Expression) -> type[Any]:
    """What a node or expression was before it was given a class that counts."""
    kind = type(counted)
    return kind.__mro__[1] if hasattr(kind, "is_counted") else kind


def _run(node: Node, engine: Environment) -> Run:
    kind = _kind(node)
    if isinstance(node, ContentNode) and kind is ContentNode:
        return _text(node)
    if isinstance(node, OutputNode) and kind is OutputNode:
        return _output(_value(node.expression, engine), escapes=engine.autoescape)
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


def _output(value: _Value, *, escapes: bool) -> Run:
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
    first = (_value(node.condition, engine), _run(node.consequence, engine))
    others = [
        (_value(one.expression, engine), _run(one.block, engine)) for one in node.alternatives
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


# --- expressions -----------------------------------------------------------------------------


def _value(expression: Expression, engine: Environment) -> _Value:
    make = _MADE.get(_first_known(expression))
    if make is not None:
        return make(expression, engine)
    return _engine(expression)


def _engine(expression: Expression, steps: int = 0) -> _Value:
    """As the engine does it, which counts by itself; `steps` are what is around it."""

    def get(context: RenderContext, spent: Spent) -> Any:
        spent.steps += steps
        return expression.evaluate(context)

    return get


def _first_known(expression: Expression) -> type[Any]:
    """The engine's class of an expression, behind ours that counts and ours that means it."""
    for kind in type(expression).__mro__:
        if kind in _MADE:
            return kind
    return type(expression)


def _path(expression: Any, _: Environment, steps: int = 1) -> _Value:
    root, *below = expression.path
    token, path = expression.token, list(expression.path)
    if not isinstance(root, str) or any(not isinstance(one, str) or one in _WORDS for one in below):
        return _engine(expression, steps - 1)
    segments = tuple(below)

    def get(context: RenderContext, spent: Spent) -> Any:
        spent.steps += steps
        try:
            found: Any = context.scope[root]
            for one in segments:
                if type(found) is not dict:
                    break
                found = found[one]
            else:
                return found
        except KeyError:
            pass
        # Whatever is not there, or is no plain object, is the engine's.
        return context.get(path, token=token)

    return get


def _constant(expression: Any, engine: Environment) -> _Value:
    value: Any = expression if isinstance(expression, Blank | Empty) else None
    if hasattr(expression, "value"):
        is_text = isinstance(expression, StringLiteral) and engine.autoescape
        value = Markup(expression.value) if is_text else expression.value

    def get(_: RenderContext, spent: Spent) -> Any:
        spent.steps += 1
        return value

    return get


def _filtered(expression: Any, engine: Environment) -> _Value:
    if not expression.filters and _first_known(expression.left) is Path:
        return _path(expression.left, engine, steps=2)
    left = _value(expression.left, engine)
    if not expression.filters:

        def get(context: RenderContext, spent: Spent) -> Any:
            spent.steps += 1
            return left(context, spent)

        return get
    calls = [_call(one, engine) for one in expression.filters]

    def filtered(context: RenderContext, spent: Spent) -> Any:
        spent.steps += 1
        value = left(context, spent)
        for one in calls:
            value = one(value, context, spent)
        return value

    return filtered


def _call(one: Filter, engine: Environment) -> Callable[[Any, RenderContext, Spent], Any]:
    call: Any = engine.filters.get(one.name)
    needs = ("with_context", "with_environment")
    is_plain = call is not None and not any(getattr(call, need, False) for need in needs)
    if not is_plain or any(getattr(arg, "name", None) for arg in one.args):
        return lambda value, context, _: one.evaluate(value, context)
    arguments = [_value(arg.value, engine) for arg in one.args]
    return lambda value, context, spent: call(value, *[arg(context, spent) for arg in arguments])


def _truth(expression: Any, engine: Environment) -> _Value:
    inner = _value(expression.expression, engine)

    def holds(context: RenderContext, spent: Spent) -> bool:
        spent.steps += 1
        found = inner(context, spent)
        return found if found is True or found is False else is_truthy(found)

    return holds


def _not(expression: Any, engine: Environment) -> _Value:
    inner = _value(expression.right, engine)

    def holds(context: RenderContext, spent: Spent) -> bool:
        spent.steps += 1
        return not is_truthy(inner(context, spent))

    return holds


def _joined(*, both: bool) -> Callable[[Any, Environment], _Value]:
    def make(expression: Any, engine: Environment) -> _Value:
        left, right = _value(expression.left, engine), _value(expression.right, engine)

        def holds(context: RenderContext, spent: Spent) -> bool:
            spent.steps += 1
            first = is_truthy(left(context, spent))
            return is_truthy(right(context, spent)) if first is both else first

        return holds

    return make


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Environment], _Value]:
    def make(expression: Any, engine: Environment) -> _Value:
        left, right = _value(expression.left, engine), _value(expression.right, engine)

        def holds(context: RenderContext, spent: Spent) -> bool:
            spent.steps += 1
            return compare(left(context, spent), right(context, spent))

        return holds

    return make


def _turned(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Environment], _Value]:
    """As the engine does it: what stands on the right is looked at first."""

    def make(expression: Any, engine: Environment) -> _Value:
        left, right = _value(expression.left, engine), _value(expression.right, engine)

        def holds(context: RenderContext, spent: Spent) -> bool:
            spent.steps += 1
            return compare(right(context, spent), left(context, spent))

        return holds

    return make


def _less_or_equal(left: Any, right: Any) -> bool:
    return less(left, right, or_equal=True)


_CONSTANTS: Sequence[type[Any]] = (
    *(Blank, Empty, Nil, TrueLiteral, FalseLiteral),
    *(StringLiteral, IntegerLiteral, FloatLiteral),
)
_MADE: dict[type[Any], Callable[[Any, Environment], _Value]] = {
    Path: _path,
    FilteredExpression: _filtered,
    BooleanExpression: _truth,
    LogicalNotExpression: _not,
    LogicalAndExpression: _joined(both=True),
    LogicalOrExpression: _joined(both=False),
    EqExpression: _compared(equal),
    NeExpression: _compared(lambda left, right: not equal(left, right)),
    LtExpression: _compared(less),
    GtExpression: _turned(less),
    LeExpression: _compared(_less_or_equal),
    GeExpression: _turned(_less_or_equal),
    **dict.fromkeys(_CONSTANTS, _constant),
}
