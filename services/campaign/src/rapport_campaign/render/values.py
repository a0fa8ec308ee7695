"""Expressions of templates as functions, beside `closures`: paths, filters, conditions."""

from collections.abc import Callable, Sequence
from typing import Any

from liquid import Environment, Markup, RenderContext
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
from liquid.expression import Expression

from rapport_campaign.render.comparison import equal, less
from rapport_campaign.render.meter import Spent

Value = Callable[[RenderContext, Spent], Any]

# The engine looks these up in a way of its own.
_WORDS = {"size", "first", "last"}


def value_of(expression: Expression, engine: Environment) -> Value:
    """A function that gives what an expression is worth, and counts it."""
    make = _MADE.get(_first_known(expression))
    if make is not None:
        return make(expression, engine)
    return _engine(expression)


def _engine(expression: Expression, steps: int = 0) -> Value:
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


def _path(expression: Any, _: Environment, steps: int = 1) -> Value:
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


def _constant(expression: Any, engine: Environment) -> Value:
    value: Any = expression if isinstance(expression, Blank | Empty) else None
    if hasattr(expression, "value"):
        is_text = isinstance(expression, StringLiteral) and engine.autoescape
        value = Markup(expression.value) if is_text else expression.value

    def get(_: RenderContext, spent: Spent) -> Any:
        spent.steps += 1
        return value

    return get


def _filtered(expression: Any, engine: Environment) -> Value:
    if not expression.filters and _first_known(expression.left) is Path:
        return _path(expression.left, engine, steps=2)
    left = value_of(expression.left, engine)
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
    arguments = [value_of(arg.value, engine) for arg in one.args]
    return lambda value, context, spent: call(value, *[arg(context, spent) for arg in arguments])


def _truth(expression: Any, engine: Environment) -> Value:
    inner = value_of(expression.expression, engine)

    def holds(context: RenderContext, spent: Spent) -> bool:
        spent.steps += 1
        found = inner(context, spent)
        return found if found is True or found is False else is_truthy(found)

    return holds


def _not(expression: Any, engine: Environment) -> Value:
    inner = value_of(expression.right, engine)

    def holds(context: RenderContext, spent: Spent) -> bool:
        spent.steps += 1
        return not is_truthy(inner(context, spent))

    return holds


def _joined(*, both: bool) -> Callable[[Any, Environment], Value]:
    def make(expression: Any, engine: Environment) -> Value:
        left, right = value_of(expression.left, engine), value_of(expression.right, engine)

        def holds(context: RenderContext, spent: Spent) -> bool:
            spent.steps += 1
            first = is_truthy(left(context, spent))
            return is_truthy(right(context, spent)) if first is both else first

        return holds

    return make


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Environment], Value]:
    def make(expression: Any, engine: Environment) -> Value:
        left, right = value_of(expression.left, engine), value_of(expression.right, engine)

        def holds(context: RenderContext, spent: Spent) -> bool:
            spent.steps += 1
            return compare(left(context, spent), right(context, spent))

        return holds

    return make


def _turned(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Environment], Value]:
    """As the engine does it: what stands on the right is looked at first."""

    def make(expression: Any, engine: Environment) -> Value:
        left, right = value_of(expression.left, engine), value_of(expression.right, engine)

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
_MADE: dict[type[Any], Callable[[Any, Environment], Value]] = {
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
