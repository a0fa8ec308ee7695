"""The migrations of a service are one line: numbered, each after the one before."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(one.parents[1].name for one in ROOT.glob("services/*/migrations/versions"))
NAMES = re.compile(r'^revision = "(\d+)"\ndown_revision = (?:"(\d+)"|None)$', re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES)
def test_each_follows_the_one_before(service: str) -> None:
    folder = ROOT / "services" / service / "migrations/versions"
    found = sorted(folder.glob("*.py"))
    shown = [NAMES.findall(one.read_text()) for one in found]
    numbers = [f"{number:04}" for number in range(1, len(found) + 1)]
    assert [one.name[:4] for one in found] == numbers
    assert shown == [[(one, "" if one == "0001" else f"{int(one) - 1:04}")] for one in numbers]
