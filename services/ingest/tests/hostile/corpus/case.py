"""One hostile body: what is sent, and what must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GOOD = b'{"type":"track","event":"x","userId":"u"}'
STATUS = {
    "too_large": 413,
    "too_many_events": 413,
    "unsupported_encoding": 415,
    "too_many_values": 413,
}


@dataclass(frozen=True)
class Case:
    """A body for one of the routes `/v1/<route>`.

    `expected` is "ok", the code of the event's refusal, or "!" and the code of the request's
    error. `path` is the field the refusal has to name; None where that is not looked at.
    """

    name: str
    body: bytes
    expected: str
    path: str | None = None
    route: str = "track"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code in the answer."""
        return self.expected.removeprefix("!")

    @property
    def refused(self) -> bool:
        """Whether it can be read and is refused: it has to be in the quarantine then."""
        return self.expected[0] != "!" and self.expected != "ok"

    @property
    def status(self) -> int:
        """Of the answer to it alone."""
        return 200 if self.expected == "ok" else STATUS.get(self.code, 400)


def of(member: bytes) -> bytes:
    """An event that is good but for one member."""
    return GOOD[:-1] + b"," + member + b"}"


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """A number inside so many brackets."""
    return opening * levels + b"1" + closing * levels
