"""A value that is made when it is first asked for, and kept."""

from collections.abc import Callable
from typing import Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class lazy(Generic[Value]):  # noqa: N801 - it stands where `property` stands
    """`functools.cached_property` without the lock that it has up to Python 3.11.

    That lock costs more than what most of them make. Two threads may make a value twice.
    """

    def __init__(self, make: Callable[..., Value]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        """Called once per instance: afterwards its own dict has the value."""
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value
