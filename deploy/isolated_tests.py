"""Runs each service's unit tests where the other services are not installed; `make isolated`.

Services may be named; without a name it is all of them. With `--coverage` it tells which lines of
their domain did not run, and which of `common`'s records.

Lint sees imports that are written down; this also sees those made at run time and those in
tests. An environment is a bare venv whose path has the packages of .venv (without the editable
installs: a folder named in a .pth file does not bring its own .pth files), rapport_common and the
one service.

What these tests leave out of the service's `domain` is shown: branches, too. A service's rules are
what can be proven without a server, so they are at 100 %, or the check fails; so is what all
services say to each other, the `events` of the library.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import StringIO
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).resolve().parents[1]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
COMMON = "common"
"""The library is measured only: its tests run with the rest."""
OTHERS = ("rapport_cli", "rapport_keys", "rapport_local")
WHOLE = 100
"""How many % of a service's `domain`, and of the library's `events`, their own tests reach."""
NO_SERVERS = "not integration and not e2e and not faults and not bench"


def folder(service: str) -> Path:
    """Where a service, or the library, is."""
    return ROOT / ("libs" if service == COMMON else "services") / service


def environment(service: str) -> Path:
    """Make or refresh the environment of a service; its interpreter."""
    home = ROOT / ".venv" / "isolated" / service
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, symlinks=True, with_pip=False, clear=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    sources = (
        sysconfig.get_path("purelib"),
        str(ROOT / "libs/common/src"),
        str(folder(service) / "src"),
    )
    (packages / "sources.pth").write_text("\n".join(sources) + "\n")
    return python


def start(python: Path, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the service's folder, with the folder itself off the path (-P)."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [python, "-P", *arguments],
        cwd=folder(service),
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def leaks(python: Path, service: str) -> list[str]:
    """The packages that can be imported and should not, or should and can't."""
    others = [f"rapport_{name}" for name in SERVICES if name != service] + list(OTHERS)
    wanted = ["rapport_common", f"rapport_{service}"]
    code = (
        "import sys; from importlib.util import find_spec\n"
        f"print(*[n for n in {others} if find_spec(n)], *[n for n in {wanted} if not find_spec(n)])"
    )
    return start(python, service, "-c", code).stdout.split()


def check(service: str, *, coverage: bool) -> tuple[bool, str]:
    """Whether the service stands alone, and the report to show."""
    python = environment(service)
    wrong = leaks(python, service)
    if wrong:
        return False, f"{service}: its environment is wrong about {', '.join(wrong)}"
    tests = start(
        python,
        service,
        *(traced(service) if coverage else ("-m", "pytest")),
        "-q",
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(ROOT),
        "-m",
        f"{NO_SERVERS} and not long",
        "tests",
    )
    if tests.returncode:
        return False, tests.stdout
    summary = tests.stdout.strip().rpartition("\n")[2]
    if not coverage:
        return True, f"{service}: {summary}"
    share, report = reached(service)
    short = "" if share >= WHOLE else f"\n  under {WHOLE} %: prove what did not run, or delete it"
    return not short, f"{service}: {summary}\n{report}{short}"


def traced(service: str) -> list[str]:
    """The arguments that note which lines run; it makes the tests twice as slow."""
    shutil.rmtree(data_file(service).parent, ignore_errors=True)
    data_file(service).parent.mkdir(parents=True)
    config = ("run", f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={data_file(service)}")
    return ["-m", "coverage", *config, "-m", "pytest"]


def data_file(service: str) -> Path:
    """Where the lines that ran are noted."""
    return ROOT / ".coverage" / service / "data"


def reached(service: str) -> tuple[float, str]:
    """How many % of the service's domain ran, and the files of which a part did not, in words."""
    part = "events" if service == COMMON else "domain"
    rows = StringIO()
    found = Coverage(data_file=str(data_file(service)), config_file=str(ROOT / "pyproject.toml"))
    found.combine([str(data_file(service).parent)], keep=True)
    total = found.report(
        include=[f"*/{part}/*"], skip_covered=True, skip_empty=True, show_missing=True, file=rows
    )
    # A file's name, four counts, its share, and the lines and branches that did not run.
    missing = [
        line.split(maxsplit=6) for line in rows.getvalue().splitlines() if f"/{part}/" in line
    ]
    files = "".join(f"\n    {Path(one[0]).name} {one[5]}: {one[6]}" for one in missing)
    # Rounded down: what is shown as 100 is all of it.
    return total, f"  {part} {int(total * 10) / 10} %{files}"


def main(arguments: list[str]) -> int:
    coverage = "--coverage" in arguments
    chosen = [one for one in arguments if one != "--coverage"]
    known = [*SERVICES, COMMON] if coverage else SERVICES
    unknown = set(chosen) - set(known)
    if unknown:
        print(f"There is no service {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
        return 2
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(partial(check, coverage=coverage), chosen or known))
    for passed, report in results:
        print(report if passed else f"FAILED {report}")
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
