"""The command line of every service: `run [--only api|worker]` and `migrate`."""

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path

from rapport_common import runtime

Main = Callable[[str | None], Awaitable[None]]
"""Runs the service; the argument is "api", "worker" or None for both."""


def main(service: str, root: Path, run: Main) -> None:
    """Parse the arguments and do what they say."""
    parser = argparse.ArgumentParser(prog=f"rapport_{service}")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="serve the API and work on the topics")
    running.add_argument("--only", choices=["api", "worker"], help="one half of it")
    commands.add_parser("migrate", help="bring the database schema to this version")
    arguments = parser.parse_args()
    if arguments.command == "migrate":
        # Only here: alembic's import would be a tenth of every start.
        from rapport_common.migrations import upgrade  # noqa: PLC0415

        upgrade(root)
    else:
        runtime.run(run(arguments.only))
