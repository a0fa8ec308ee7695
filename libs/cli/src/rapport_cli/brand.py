"""`rapport brand`: how the pages that customers see look, in every service that has some."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from rapport_cli import show
from rapport_cli.errors import CliError

app = typer.Typer(help="Name, colour, logo and website on customers' pages.", no_args_is_help=True)
SERVICES = ("feedback", "campaign")


@app.command("show")
def show_brand(ctx: typer.Context, *, as_json: show.AsJson = False) -> None:
    """Show the brand; the logo by its size."""
    found = show.session(ctx).api(SERVICES[0]).get("/v1/brand")
    if as_json:
        show.data(found)
    else:
        show.pairs(_readable(found))


@app.command("set")
def set_brand(
    ctx: typer.Context,
    *,
    name: Annotated[str | None, typer.Option(help="The sender's name.")] = None,
    color: Annotated[str | None, typer.Option(help="#rrggbb.")] = None,
    logo: Annotated[
        Path | None, typer.Option(help="A PNG, JPEG, GIF or WebP, at most 64 KiB.")
    ] = None,
    website: Annotated[str | None, typer.Option(help="Where the pages lead on to.")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Change what is given, and keep the rest."""
    session = show.session(ctx)
    present = session.api(SERVICES[0]).get("/v1/brand")
    given = {"name": name, "color": color, "website": website}
    given["logo"] = _image(logo) if logo is not None else None
    wanted = {key: present[key] if value is None else value for key, value in given.items()}
    for service in SERVICES:
        found = session.api(service).put("/v1/brand", wanted)
    if as_json:
        show.data(found)
    else:
        show.pairs(_readable(found))


def _image(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        message = f"{path} can't be read: {error.strerror or error}."
        raise CliError("unreadable", message) from error


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    logo = f"{len(found['logo']) * 3 // 4} bytes" if found["logo"] else None
    return {**found, "logo": logo}
