"""What a parent and its children tell each other, beside the connections that are handed over."""

import re

READY, TAKEN, CLOSED = b"r", b"t", b"c"
"""What a child tells its parent, a byte each: it takes connections; it has taken one; one ended."""

BUSY = re.compile(rb"(\d+)b")
"""How a child answers the question how many of its connections are busy."""

HANDING = b"\0"
"""What a parent sends with a connection. Any other byte is a question: let one connection fewer
than it says go, and tell how many are busy."""
