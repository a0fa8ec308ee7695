"""What Liquid's comparisons mean, as its reference has it (Shopify's, `Liquid::Condition`).

The engine's own raise where text meets a number, and a missing value is not blank to them. Here
nothing raises: what can't be compared is not equal, not less and contains nothing.
"""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from liquid import RenderContext
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty
from liquid.builtin.tags.case_tag import _AnyExpression
from liquid.undefined import is_undefined
from typing_extensions import override

from rapport_campaign.render import meter
from rapport_campaign.render.sizes import size

_NUMBERS = (int, float, Decimal)


def equal(left: Any, right: Any) -> bool:
    """`left == right`; a missing value is nil and blank, and not empty."""
    left, right = _plain(left), _plain(right)
    if isinstance(right, Blank | Empty):
        left, right = right, left
    if isinstance(left, Blank):
        return isinstance(right, Blank) or _is_blank(right)
    if isinstance(left, Empty):
        return isinstance(right, Empty) or _is_empty(right)
    if isinstance(left, bool) or isinstance(right, bool):
        # 1 is no `true` in Liquid.
        return left is right
    meter.work(size(left))
    return bool(_exact(left, right) == _exact(right, left))


def less(left: Any, right: Any, *, or_equal: bool = False) -> bool:
    """`left < right` (or `<=`) of two texts or two numbers; false for anything else."""
    left, right = _plain(left), _plain(right)
    numbers = _is_number(left) and _is_number(right)
    texts = isinstance(left, str) and isinstance(right, str)
    if not (numbers or texts):
        return False
    left, right = _exact(left, right), _exact(right, left)
    return bool(left <= right if or_equal else left < right)


def contains(left: Any, right: Any) -> bool:
    """Whether a text has a part, or a list an item; false for anything else."""
    left, right = _plain(left), _plain(right)
    if left is None or right is None or isinstance(right, bool):
        return False
    meter.work(size(left))
    if isinstance(left, str):
        return str(right) in left
    if not isinstance(left, Collection) or isinstance(right, list | dict):
        return False
    return right in left


def _plain(value: Any) -> Any:
    if is_undefined(value):
        return None
    return value.__liquid__() if hasattr(value, "__liquid__") else value


def _exact(value: Any, other: Any) -> Any:
    """A number as it is written, where an amount of money is beside it: 99.99 is 99.99."""
    return Decimal(str(value)) if isinstance(value, float) and isinstance(other, Decimal) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is False or _is_empty(value)


def _is_empty(value: Any) -> bool:
    return isinstance(value, str | list | tuple | range | Mapping) and len(value) == 0


class _Eq(EqExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return equal(self.left.evaluate(context), self.right.evaluate(context))


class _Ne(NeExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return not equal(self.left.evaluate(context), self.right.evaluate(context))


class _Lt(LtExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return less(self.left.evaluate(context), self.right.evaluate(context))


class _Gt(GtExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return less(self.right.evaluate(context), self.left.evaluate(context))


class _Le(LeExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return less(self.left.evaluate(context), self.right.evaluate(context), or_equal=True)


class _Ge(GeExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return less(self.right.evaluate(context), self.left.evaluate(context), or_equal=True)


class _Contains(ContainsExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> bool:
        return contains(self.left.evaluate(context), self.right.evaluate(context))


class _When(_AnyExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> list[bool]:
        left = self.left.evaluate(context)
        return [equal(left, one.evaluate(context)) for one in self.expressions]


MEANT: dict[type[Any], type[Any]] = {
    EqExpression: _Eq,
    NeExpression: _Ne,
    LtExpression: _Lt,
    GtExpression: _Gt,
    LeExpression: _Le,
    GeExpression: _Ge,
    ContainsExpression: _Contains,
    _AnyExpression: _When,
}
"""The engine's expressions, and those that take their place."""
