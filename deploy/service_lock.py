"""Prints the part of requirements.lock that one service needs, hashes included; for its image.

`python deploy/service_lock.py profile` starts at the dependencies of services/profile and
libs/common; `--only uv` prints single packages with what they need. The lock's own `# via`
comments say who needs whom, so nothing is asked of the network.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normal(requirement: str) -> str:
    """A requirement's package name, as locks write it."""
    found = NAME.match(requirement.strip())
    if found is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def entries(lock: str) -> dict[str, str]:
    """Each package's lines in the lock, by name."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    return {normal(block): block for block in blocks if "==" in block.split("\n", 1)[0]}


def parents(entry: str) -> set[str]:
    """Who needs the package, from its `# via` lines; input files left out."""
    comments = [line.strip(" #") for line in entry.splitlines() if line.strip().startswith("#")]
    names = [line.removeprefix("via").strip() for line in comments]
    return {normal(name) for name in names if name and not name.startswith("-r ")}


def closure(lock: dict[str, str], roots: set[str]) -> set[str]:
    """The roots and everything they need, directly or not."""
    missing = roots - lock.keys()
    if missing:
        raise SystemExit(f"requirements.lock lacks {', '.join(sorted(missing))}; run make lock.")
    found = set(roots)
    while True:
        more = {name for name, entry in lock.items() if parents(entry) & found} - found
        if not more:
            return found
        found |= more


def roots_of(service: str) -> set[str]:
    """What the service and rapport_common declare, without our own packages."""
    declared: list[str] = []
    for folder in (ROOT / "services" / service, ROOT / "libs/common"):
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        declared += project["dependencies"]
    return {name for name in map(normal, declared) if not name.startswith("rapport-")}


def main(arguments: list[str]) -> str:
    lock = entries((ROOT / "requirements.lock").read_text())
    roots = set(arguments[1:]) if arguments[0] == "--only" else roots_of(arguments[0])
    return "".join(lock[name] for name in sorted(closure(lock, roots)))


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
