"""New records are made in one way, so that key and version are what the registry says."""

import re
from pathlib import Path

BY_HAND = re.compile(r"\bOutgoing\(|\boutbox\.append\(|\bpartition_key\(|\bkafka_key\(")
# They pass on what was made before, as it was.
PASSED_ON = {
    "ingest/src/rapport_ingest/store/spool.py",
    "ingest/src/rapport_ingest/handlers/republishing.py",
}


def test_no_service_writes_a_key_or_a_version_by_hand(root: Path) -> None:
    sources = {path for path in (root / "services").glob("*/src/**/*.py") if path.is_file()}
    found = {
        str(path.relative_to(root / "services"))
        for path in sources
        if BY_HAND.search(path.read_text())
    }
    assert found == PASSED_ON
