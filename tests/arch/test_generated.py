"""Files generated from the topic registry are as the registry says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = [sys.executable, "-m", "rapport_common.events.generate", "--check"]


def test_nothing_is_stale(root: Path) -> None:
    done = subprocess.run(CHECK, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run make generate: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("stale", ["docs/events.md", "libs/common/schemas"])
def test_a_stale_file_is_noticed(root: Path, tmp_path: Path, stale: str) -> None:
    shutil.copytree(root / "libs/common", tmp_path / "libs/common")
    shutil.copytree(root / "docs", tmp_path / "docs")
    path = tmp_path / stale
    target = min(path.iterdir()) if path.is_dir() else path
    target.write_text(target.read_text().replace("profile", "profil", 1) + "\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "libs/common/src")}
    done = subprocess.run(CHECK, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert target.name in done.stdout + done.stderr
