"""The command line of every service: `run [--only api|worker]` and `migrate`."""

import argparse
import gc
import os
from importlib import import_module
from pathlib import Path
from typing import Any


def main(service: str, root: Path, first: str = "") -> None:
    """Parse the arguments and do what they say; `root` is the service's folder.

    `run` is the coroutine function of this name in the service's `app`; `--only` stands before
    the setting `RAPPORT_ROLE`, for this process and those that it starts. `first` names a module
    whose `begin` is called before anything else is there, and `run` is given what it gives.
    """
    parser = argparse.ArgumentParser(prog=f"rapport_{service}")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="serve the API and work on the topics")
    running.add_argument("--only", choices=["api", "worker"], help="one half of it")
    commands.add_parser("migrate", help="bring the database schema to this version")
    arguments = parser.parse_args()
    # Only what is asked for: alembic would be a third of a start, the service most of a migration.
    if arguments.command == "migrate":
        _imported("rapport_common.migrations").upgrade(root)
    else:
        if arguments.only:
            os.environ["RAPPORT_ROLE"] = arguments.only
        given = (_imported(first).begin(),) if first else ()
        app = _imported(f"rapport_{service}.app")
        _imported("rapport_common.runtime").run(app.run(*given))


def _imported(name: str) -> Any:
    """The module; meanwhile nobody looks for garbage, which takes a fifth of the time."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
