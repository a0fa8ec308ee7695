"""Run the integration and fault tests again and again beside busy loops; count the red ones.

`make test-repeat COUNT=20 BUSY=2`. A test that is red once in twenty lies: it is mended or deleted.
"""

import argparse
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = "while True: pass"
RED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def main() -> int:
    """Run, and print how often each test was red; 1 if any was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="so many runs")
    parser.add_argument("--busy", type=int, default=2, help="so many processes that only compute")
    parser.add_argument("rest", nargs="*", help="arguments for pytest, after --")
    asked = parser.parse_args()
    # Ended as on Ctrl-C: in order, with the loops and the run under way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    red: Counter[str] = Counter()
    with busy(asked.busy):
        for number in range(1, asked.count + 1):
            found = run(asked.rest)
            red.update(found)
            print(f"run {number} of {asked.count}: {len(found)} red", flush=True)
    for name, times in red.most_common():
        print(f"{times} of {asked.count}: {name}")
    if not red:
        print(f"{asked.count} runs beside {asked.busy} busy loops, no red one")
    return 1 if red else 0


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes compute without end in the block."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()


def run(arguments: list[str]) -> list[str]:
    """Run pytest once; the names of the tests that were red, or `pytest` if it could not run."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            printed, _nothing = running.communicate()
        except KeyboardInterrupt:
            running.terminate()
            # What it still prints has to be read: else it waits for us, and we for it.
            running.communicate()
            raise
    if running.returncode == 0:
        return []
    print(printed)
    return RED.findall(printed) or ["pytest itself"]


if __name__ == "__main__":
    sys.exit(main())
