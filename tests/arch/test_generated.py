"""Files generated from the topic registry are as the registry says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECK = [sys.executable, "-m", "rapport_common.events.generate", "--check"]


def test_nothing_is_stale(root: Path) -> None:
    done = subprocess.run(CHECK, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run make generate: {done.stdout}{done.stderr}"


def test_stale_files_are_noticed(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "libs/common", tmp_path / "libs/common")
    shutil.copytree(root / "docs", tmp_path / "docs")
    targets = (tmp_path / "docs/events.md", min((tmp_path / "libs/common/schemas").glob("*.json")))
    for target in targets:
        target.write_text(target.read_text() + "\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "libs/common/src")}
    done = subprocess.run(CHECK, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    for target in targets:
        assert target.name in done.stdout + done.stderr
