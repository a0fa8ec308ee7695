"""Loops over data, and limits from data: what is no list has no turns, what is no limit is none."""

from collections.abc import Iterator
from typing import Any

from liquid import RenderContext
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.expression import Expression
from typing_extensions import override

from rapport_campaign.render.filters import whole

_CONTINUE = "continue"


class _Loop(LoopExpression):
    __slots__ = ()

    @override
    def evaluate(self, context: RenderContext) -> tuple[Iterator[object], int]:
        turns, length = self._to_iter(self.iterable.evaluate(context), context)
        limit = _number(self.limit, context)
        if limit is not None and limit <= 0:
            # The engine takes 0 for no limit.
            return iter(()), 0
        is_next = isinstance(self.offset, StringLiteral) and self.offset.value == _CONTINUE
        offset = _CONTINUE if is_next else _number(self.offset, context)
        return self._slice(turns, length, context, limit=limit, offset=offset)


def _number(told: Expression | None, context: RenderContext) -> int | None:
    return None if told is None else whole(told.evaluate(context))


class _Rows(TablerowNode):
    __slots__ = ()

    @override
    def _int_or_zero(self, arg: object) -> int:
        return whole(arg) or 0


ROWS: dict[type[Any], type[Any]] = {TablerowNode: _Rows}
LOOPS: dict[type[Any], type[Any]] = {LoopExpression: _Loop}
"""The engine's classes, and those that take their place."""
