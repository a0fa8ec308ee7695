"""Which cases of a person are open, by the steps that were told of them."""

import msgspec

from rapport_profile.domain.stamps import Stamp


class Case(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Whether a complaint is open, by the latest of its steps: by their numbers, then by time.

    Steps that were told without a number (0) are older than those with one.
    """

    is_open: bool
    stamp: Stamp
    step: int = 0

    def after(self, other: "Case") -> bool:
        """Whether this is a later step than the other."""
        return self.step > other.step if self.step != other.step else self.stamp.after(other.stamp)


def put_case(table: dict[str, Case], name: str, value: Case) -> None:
    """Take in what a step says of a case by its id, if no later one is known."""
    present = table.get(name)
    if present is None or value.after(present):
        table[name] = value
