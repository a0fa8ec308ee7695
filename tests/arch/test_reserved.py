"""The names that are the services' own are those that the services use."""

import ast
from pathlib import Path

from rapport_common.events.reserved import CONSENT_UPDATED, RESERVED_EVENTS

TELLERS = {
    "campaign": ["own_events.py"],
    "feedback": ["own_events.py"],
    "profile": ["own_events.py", "loyalty/news.py"],
}


def _emitted(root: Path, service: str) -> set[str]:
    """The names of events in the modules in which a service says what it tells."""
    domain = root / "services" / service / "src" / f"rapport_{service}" / "domain"
    return {
        node.value
        for module in TELLERS[service]
        for node in ast.walk(ast.parse((domain / module).read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.istitle()
        and " " in node.value
    }


def test_what_services_tell_is_reserved_for_them(root: Path) -> None:
    told = {name: one for one in TELLERS for name in _emitted(root, one) - {CONSENT_UPDATED}}
    assert told == RESERVED_EVENTS
