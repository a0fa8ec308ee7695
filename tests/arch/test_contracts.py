"""The import contracts bite: each breach, put into a copy of the sources, is named."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Where, what, and the words by which lint names it.
BREACHES = (
    (
        "segment/handlers.py",
        "import rapport_profile",
        "rapport_segment.handlers -> rapport_profile",
    ),
    ("profile/domain.py", "import sqlalchemy", "rapport_profile.domain -> sqlalchemy"),
    ("profile/domain.py", "import random", "rapport_profile.domain -> random"),
    (
        "campaign/store.py",
        "from rapport_campaign import handlers",
        "campaign.store -> rapport_campaign.handlers",
    ),
    ("ingest/app.py", "import rapport_local", "rapport_ingest.app -> rapport_local"),
    ("feedback/utils.py", "", "rapport_feedback.utils"),
)


@pytest.fixture
def copied_sources(root: Path, tmp_path: Path) -> Path:
    """All packages in one folder, and the configuration beside them."""
    for source in root.glob("*/*/src/rapport_*"):
        if source.is_dir():
            shutil.copytree(
                source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__")
            )
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / ".venv/bin/lint-imports", "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_breach_is_named(root: Path, copied_sources: Path) -> None:
    for path, line, _ in BREACHES:
        service, _, module = path.partition("/")
        with (copied_sources / f"rapport_{service}" / module).open("a") as file:
            file.write(f"{line}\n")
    done = lint(copied_sources, root)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [words for _, _, words in BREACHES if words not in done.stdout] == []
