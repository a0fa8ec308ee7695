"""The scopes that `rapport token` gives are those that the services ask for."""

import re
from pathlib import Path

from rapport_cli.tokens import SCOPES

ASKED = re.compile(
    r'(?:operator|caller\.require)\(\s*f?"([a-z{}]+(?::[a-z]+)?)"|"([a-z]+:(?:read|write))"'
)


def test_every_scope_that_is_asked_for_can_be_given(root: Path) -> None:
    asked: set[str] = set()
    for path in [*root.glob("services/*/src/**/*.py"), *root.glob("libs/common/src/**/*.py")]:
        asked |= {one or other for one, other in ASKED.findall(path.read_text())}
    assert {one for one in asked if "{" not in one} == set(SCOPES)
