"""The Liquid engine with an end to everything, and without what a template may not do.

Every tag, output and expression of a parsed template is given a class of its own that counts a
step before it does what it did: so no construct is free, and none has to be thought of. `closures`
does the same for the usual ones at a fifth of the price.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, wraps
from io import StringIO
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.output import OutputNode
from liquid.context import builtin
from liquid.exceptions import (
    LiquidError,
    LiquidInterrupt,
    LiquidSyntaxError,
    StopRender,
)
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.stringify import to_liquid_string
from liquid.utils import ReadOnlyChainMap
from typing_extensions import override

from rapport_campaign.render import meter
from rapport_campaign.render.closures import PASSES, Run, Written, runs_of, with_plain_ends
from rapport_campaign.render.comparison import MEANT
from rapport_campaign.render.filters import forgiving, require_arguments, text_of
from rapport_campaign.render.loops import LOOPS, ROWS
from rapport_campaign.render.sizes import size

MAX_OUTPUT = 512 * 1024

# They load other templates, which there are none of.
_NO_TAGS = ("include", "render")
# `safe` would let a customer's own data into the page as HTML.
_NO_FILTERS = ("safe",)
_PRODUCTS = {"replace", "join", "times"}
_MEANT = MEANT | LOOPS


class _Output(LimitedStringIO):
    """What is captured is work, too: a capture that is thrown away has been written."""

    @override
    def write(self, text: str, /) -> int:
        meter.work(len(text) if len(text) < meter.MAX_VALUE else 0)
        return super().write(text)


class _Scope(ReadOnlyChainMap):
    """Names, looked up without an exception for each place where they are not."""

    @override
    def __getitem__(self, key: str) -> object:
        for names in self._maps:
            if key in names:
                return names[key]
        raise KeyError(key)


class _Context(RenderContext):
    """Loops are counted over the whole rendering, not each for itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope = _Scope(self.locals, self.globals, builtin, self.counters)

    @override
    def raise_for_loop_limit(self, length: int = 1) -> None:
        meter.turns(length)

    @override
    def assign(self, key: str, val: Any) -> None:
        # The engine adds up the sizes of all names at each assignment.
        meter.step(len(self.locals))
        super().assign(key, val)

    @override
    def get_buffer(self, buf: TextIO | Written | None = None) -> StringIO:
        taken = buf.size if isinstance(buf, LimitedStringIO | Written) else 0
        return _Output(limit=MAX_OUTPUT - taken)


class Counted(BoundTemplate):
    """A template whose nodes count what they do."""

    context_class = _Context
    runs: Sequence[Run] = ()
    texts: frozenset[str] = frozenset()
    """All that the template says itself."""

    @override
    def _get_buffer(self) -> StringIO:
        return _Output(limit=MAX_OUTPUT)

    @override
    def make_globals(self, render_args: Mapping[str, object]) -> Mapping[str, object]:
        return render_args

    def pieces(self, variables: Mapping[str, object]) -> list[str]:
        """What `render` gives, in the pieces in which it is written, by the account that is open.

        The texts of the template are pieces of their own, always the same objects.
        """
        context, written, spent = self._context(variables), Written(MAX_OUTPUT), meter.account()
        with context.extend({"partial": False}):
            for node, run in zip(self.nodes, self.runs, strict=True):
                try:
                    run(context, written, spent)
                    if spent.steps > meter.MAX_STEPS or spent.work > meter.MAX_WORK:
                        meter.look(spent)
                except LiquidInterrupt as error:
                    message = f"unexpected '{error}'"
                    raise LiquidSyntaxError(message, token=node.token) from error
                except StopRender:
                    break
                except LiquidError as error:
                    error.token = error.token or node.token
                    raise
        return written.pieces

    def _context(self, variables: Mapping[str, object]) -> _Context:
        return _Context(self, globals=self.make_globals(variables))


class Limited(Environment):
    """Liquid without loading, without raw HTML, and with an end to everything."""

    template_class = Counted
    local_namespace_limit = meter.MAX_VALUE
    output_stream_limit = MAX_OUTPUT
    # What is accepted can be rendered: each block may be a loop, which has a context of its own.
    block_nesting_limit = 30
    context_depth_limit = 40

    @override
    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register what is allowed, each filter under the meter."""
        super().setup_tags_and_filters(extra=extra)
        for tag in _NO_TAGS:
            del self.tags[tag]
        for name in _NO_FILTERS:
            del self.filters[name]
        self.filters = {
            name: _metered(name, forgiving(name, one)) for name, one in self.filters.items()
        }

    @override
    def from_string(self, *args: Any, **kwargs: Any) -> Counted:
        template = super().from_string(*args, **kwargs)
        if not isinstance(template, Counted):
            raise TypeError("a template of another engine")
        _count_nodes(template.nodes, RenderContext(template))
        template.runs = runs_of(template.nodes, self)
        template.texts = frozenset(_texts(template.nodes, RenderContext(template)))
        return template


def _texts(nodes: Iterable[Node], context: RenderContext) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ContentNode):
            yield with_plain_ends(node.text)
        yield from _texts(node.children(context), context)


def _count_nodes(nodes: Iterable[Node], context: RenderContext) -> None:
    for node in nodes:
        for expression in node.expressions():
            _count_expression(expression, context.env)
        # `when` keeps its values to itself.
        own = getattr(node, "expression", None)
        if isinstance(own, Expression):
            _count_expression(own, context.env)
        _count_nodes(node.children(context), context)
        if not hasattr(type(node), "is_counted"):
            kind: type[Node] = type(node)
            meant: type[Node] = ROWS.get(kind, kind)
            node.__class__ = _counted_node(meant)


def _count_expression(expression: Expression, engine: Environment) -> None:
    if hasattr(type(expression), "is_counted"):
        return
    filters: Iterable[Filter] = getattr(expression, "filters", None) or ()
    for one in filters:
        call = engine.filters.get(one.name)
        if call is not None:
            named = [arg.name for arg in one.args if isinstance(arg, KeywordArgument)]
            require_arguments(one.name, call, len(one.args) - len(named), named, one.token)
    kind = type(expression)
    meant: type[Expression] = _MEANT.get(kind, kind)
    expression.__class__ = _counted_expression(meant)
    for child in expression.children():
        _count_expression(child, engine)


@cache
def _counted_node(kind: type[Node]) -> type[Node]:
    render = _print if issubclass(kind, OutputNode) else kind.render_to_output

    def render_to_output(self: Node, context: RenderContext, buffer: TextIO) -> int:
        meter.step()
        try:
            return render(self, context, buffer)
        except PASSES:
            raise
        except Exception:  # noqa: BLE001 - the engine fails in many ways, at data alone
            # Liquid goes on behind what one person's data do not fit.
            return 0

    body = {"__slots__": (), "render_to_output": render_to_output, "is_counted": True}
    return type(kind.__name__, (kind,), body)


def _print(node: Any, context: RenderContext, buffer: TextIO) -> int:
    value = node.expression.evaluate(context)
    # The engine prints the words of its own language.
    text = value if hasattr(value, "__html__") else text_of(value)
    return buffer.write(to_liquid_string(text, context.autoescape))


@cache
def _counted_expression(kind: type[Expression]) -> type[Expression]:
    def evaluate(self: Expression, context: RenderContext) -> object:
        meter.step()
        return kind.evaluate(self, context)

    body = {"__slots__": (), "evaluate": evaluate, "is_counted": True}
    return type(kind.__name__, (kind,), body)


def _metered(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that may neither make one huge value nor, over a rendering, too many of them."""

    @wraps(call)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        meter.step()
        sizes = [size(one) for one in (value, *args)]
        # These three can multiply sizes, so the product is bounded before it exists.
        factor = max(sizes[1:], default=1) if name in _PRODUCTS else 1
        meter.work(sizes[0], max(factor, 1))
        result = call(value, *args, **kwargs)
        meter.work(size(result))
        return result

    return bounded
