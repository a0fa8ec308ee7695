"""What a server offers in its answer to EHLO."""

from dataclasses import dataclass
from typing import Self

from rapport_campaign.smtp.replies import Reply

_MAX_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Offers:
    """`size` in bytes, 0: no limit is told. A server of HELO offers nothing."""

    pipelining: bool = False
    starttls: bool = False
    eight_bit: bool = False
    utf8: bool = False
    has_size: bool = False
    size: int = 0
    mechanisms: frozenset[str] = frozenset()

    @classmethod
    def of(cls, reply: Reply) -> Self:
        """The first line is the server's name; keywords are in any case (RFC 5321 §4.1.1.1)."""
        # Old servers write AUTH=PLAIN, some beside the line that is right.
        lines = [line.upper().replace(b"AUTH=", b"AUTH ").split() for line in reply.lines[1:]]
        keywords = {words[0] for words in lines if words}
        size = next((words[1] for words in lines if words[:1] == [b"SIZE"] and words[1:]), b"")
        return cls(
            pipelining=b"PIPELINING" in keywords,
            starttls=b"STARTTLS" in keywords,
            eight_bit=b"8BITMIME" in keywords,
            utf8=b"SMTPUTF8" in keywords,
            has_size=b"SIZE" in keywords,
            size=int(size) if size.isdigit() and len(size) <= _MAX_DIGITS else 0,
            mechanisms=frozenset(
                word.decode("ascii", "replace")
                for words in lines
                if words[:1] == [b"AUTH"]
                for word in words[1:]
            ),
        )
