"""`rapport answer-template`, `case-macro`, `connector` and their like: documents by name."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import documents, show

Name = Annotated[str, typer.Argument(help="Its name: small letters, digits, '.', '_', '-'.")]
Document = Annotated[str, typer.Argument(help="JSON, @FILE, or - .")]
CONNECTORS = "/v1/connectors"


def _app(path: str, about: str) -> typer.Typer:
    app = typer.Typer(help=about, no_args_is_help=True)

    @app.command("list")
    def list_all(
        ctx: typer.Context,
        *,
        limit: show.Limit = 100,
        cursor: show.Cursor = None,
        as_json: show.AsJson = False,
    ) -> None:
        """List what holds, by name."""
        answer = show.session(ctx).api("feedback").get(path, limit=limit, cursor=cursor)
        columns = ["name", "version", "actor", "changed_at"]
        show.page(answer, columns, empty="There is none.", as_json=as_json)

    @app.command("show")
    def show_one(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
        """Print one as it was set."""
        found = show.session(ctx).api("feedback").get(_at(path, name))
        show.data(found if as_json else found["document"])

    @app.command("set")
    def set_one(
        ctx: typer.Context, name: Name, document: Document, *, as_json: show.AsJson = False
    ) -> None:
        """Let it be as given."""
        body = documents.read(document, "document")
        made = show.session(ctx).api("feedback").put(_at(path, name), body)
        show.made(made, f"{name}: version {made['version']} holds.", as_json=as_json)

    @app.command()
    def archive(ctx: typer.Context, name: Name, *, as_json: show.AsJson = False) -> None:
        """Take one away."""
        show.session(ctx).api("feedback").delete(_at(path, name))
        show.made({"name": name}, f"{name} is taken away.", as_json=as_json)

    return app


def _at(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"


templates = _app("/v1/answer-templates", "Answers that are written again and again.")
macros = _app("/v1/case-macros", "Changes of cases that are made at once.")
reasons = _app("/v1/case-reasons", "What complaints are about.")
causes = _app("/v1/case-causes", "Why complaints come to be.")
limits = _app("/v1/goodwill-limits", "How much goodwill somebody may give.")
connectors = _app(CONNECTORS, "How others' systems post complaints.")


@connectors.command()
def library(
    ctx: typer.Context,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the mappings that come with Rapport; `--json` has what `set` takes."""
    api = show.session(ctx).api("feedback")
    answer = api.get("/v1/connector-library", limit=limit, cursor=cursor)
    show.page(answer, ["name", "about"], as_json=as_json)


@connectors.command()
def preview(
    ctx: typer.Context,
    name: Name,
    post: Annotated[str, typer.Argument(help="JSON, @FILE, or - .")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Say what a case would have of a post; nothing is kept."""
    body = {"post": documents.read(post, "post")}
    found = show.session(ctx).api("feedback").post(f"{_at(CONNECTORS, name)}/preview", body)
    if as_json:
        show.data(found)
    else:
        show.pairs(found["says"])
