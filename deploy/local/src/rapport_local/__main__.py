"""`python -m rapport_local`: what the Makefile calls to run Rapport on this machine."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from rapport_local import jars, logs, ui
from rapport_local.config import Config
from rapport_local.credentials import Credentials
from rapport_local.environment import exports
from rapport_local.errors import LocalError, disk_full, is_disk_full
from rapport_local.interrupts import interrupted_afterwards
from rapport_local.paths import Home, cache_folder
from rapport_local.stack import Stack

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Components = Annotated[list[str] | None, typer.Argument(help="Only these; default: all.")]


def _current() -> Config:
    """Return the configuration of the stack of this home: the running one, else the wished one."""
    home = Home.from_environment()
    return Config.read(home) if home.config.exists() else Config.from_environment()


@app.command()
def up(
    *, foreground: Annotated[bool, typer.Option(help="Stay, show the log, stop on Ctrl-C.")] = False
) -> None:
    """Start everything; leaves a supervisor behind unless --foreground."""
    stack = Stack(Config.from_environment(), detached=not foreground)
    try:
        with ui.progress() as progress:
            stack.start(progress.changed, progress.downloaded)
    except LocalError as error:
        if error.code != "already_up":
            raise
        ui.status(stack.notice(), up=True)
        _show_addresses(_current())
        return
    if foreground:
        _follow_until_interrupted(stack)
    else:
        _show_addresses(stack.config)


def _show_addresses(config: Config) -> None:
    # Not at the top: the HTTP client costs 0.2 s, which the other commands need not pay.
    from rapport_local.seed import seed  # noqa: PLC0415

    ui.addresses(config, seed(Stack(config)))


def _follow_until_interrupted(stack: Stack) -> None:
    try:
        with interrupted_afterwards():
            _show_addresses(stack.config)
        _print_logs(list(stack.config.components), last=20, follow=True)
    finally:
        stack.stop()


@app.command()
def down() -> None:
    """Stop everything; the data stays."""
    stack = Stack(_current())
    was_up = stack.is_up()
    stack.stop()
    ui.console.print("Stopped." if was_up else "Nothing was running.")


@app.command()
def status() -> None:
    """Show each component; exit code 1 unless all are ready."""
    stack = Stack(_current())
    notice = stack.notice()
    ui.status(notice, up=stack.is_up())
    if not stack.is_up() or notice is None or notice.phase != "ready":
        raise typer.Exit(1)


@app.command("logs")
def show_logs(
    components: Components = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("-n", help="How many lines to begin with.")] = 100,
) -> None:
    """Show the merged log of all components, or of some."""
    known = [*_current().components, "supervisor"]
    for name in components or []:
        if name not in known:
            raise LocalError(
                code="unknown_component",
                message=f"There is no component {name!r}. Choose from {', '.join(known)}.",
            )
    _print_logs(components or known, last=last, follow=follow)


def _print_logs(components: list[str], *, last: int, follow: bool) -> None:
    for line in logs.read(Home.from_environment(), components, last=last, follow=follow):
        ui.console.print(logs.render(line, components), soft_wrap=True)


@app.command()
def clean() -> None:
    """Stop everything and delete its data: the home folder, nothing else."""
    home = Home.from_environment()
    if home.is_ours():
        Stack(_current()).stop()
    home.remove()
    ui.console.print(f"Removed {home.root}.")


@app.command()
def demo(
    *, keep: Annotated[bool, typer.Option(envvar="KEEP", help="Leave it up afterwards.")] = False
) -> None:
    """Replay a real shop's purchases and one web shopper; exit code 1 unless all is exact."""
    # Only the demo needs what it imports.
    from rapport_local.demo import run as play  # noqa: PLC0415

    if not play.run(keep=keep):
        raise typer.Exit(1)


@app.command()
def env(
    component: Annotated[str, typer.Argument(help="A service; default: the whole stack.")] = "",
) -> None:
    """Print the environment of a component as `export` lines for a shell."""
    config = _current()
    for key, value in exports(config, Credentials.load(config.home.credentials), component).items():
        print(f"export {key}={shlex.quote(value)}")


@app.command("lock-kafka")
def lock_kafka() -> None:
    """Resolve Kafka's jars anew and write jgo.lock.toml with their SHA-256 sums."""
    count = jars.write_lock(cache_folder(Home.from_environment()) / "jars")
    ui.console.print(f"Wrote {jars.LOCK_FILE} with {count} jars.")


def main() -> None:
    """Run the command line; every failure ends in one line and exit code 1."""
    try:
        app()
    except LocalError as error:
        ui.failure(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if not is_disk_full(error):
            raise
        ui.failure(disk_full(error.filename or Home.from_environment().root))
        sys.exit(1)


if __name__ == "__main__":
    main()
