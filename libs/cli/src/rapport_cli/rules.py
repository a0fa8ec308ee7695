"""What the commands on all rules have in common: they are shown, listed, and set from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport_cli.client import Api

COLUMNS = ["version", "created_at", "actor", "reason"]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the rules.")]


def rules_app(path: str, about: str, service: str = "profile") -> typer.Typer:
    """The commands of rules at `path` of a service: those that show them."""
    app = typer.Typer(help=about, no_args_is_help=True)

    @app.command("show")
    def show_rules(ctx: typer.Context) -> None:
        """Print the rules that hold, as a file that can be changed and set again."""
        show.data(show.session(ctx).api(service).get(path))

    @app.command()
    def history(
        ctx: typer.Context,
        *,
        limit: show.Limit = 50,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List all versions: by whom, and why."""
        answer = show.session(ctx).api(service).get(f"{path}/history", limit=limit, cursor=cursor)
        show.page(answer, COLUMNS, as_json=as_json)

    return app


def read(file: str, parts: Sequence[str], *, needs: str | None = None) -> dict[str, Any]:
    """Rules from a file (`-`: standard input): these `parts`, and perhaps who set them last.

    CliError when there is another, or the one that it `needs` is lacking.
    """
    given = documents.read(file if file == "-" else f"@{file}", "rules")
    unknown = sorted(given.keys() - {*parts, *COLUMNS})
    if unknown or (needs is not None and needs not in given):
        names = f", and no {', '.join(unknown)}" if unknown else ""
        raise CliError("bad_rules", f"Rules have {_enumerated(parts)}{names}.")
    return given


def put(api: Api, path: str, given: dict[str, Any], reason: str) -> dict[str, Any]:
    """Let rules hold; the answer. Who set them last, and when, is not sent back."""
    # A file that was printed by `show` says which rules it comes from: nobody's are written over.
    version = given.get("version")
    known = api.get(path)["version"] if version is None else version
    parts = {part: value for part, value in given.items() if part not in COLUMNS}
    return api.put(path, {**parts, "version": known, "reason": reason})


def _enumerated(parts: Sequence[str]) -> str:
    names = [f"`{one}`" for one in parts]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
