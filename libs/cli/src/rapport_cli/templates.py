"""`rapport template`: what campaigns say, its versions, and how it looks to a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="What campaigns say: versions, previews.", no_args_is_help=True)
PATH = "/v1/templates"
TemplateId = Annotated[str, typer.Argument(help="The template's id.")]
Document = Annotated[str, typer.Argument(help="A JSON object, @FILE, or - for standard input.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the version.")]
Body = Annotated[Path | None, typer.Option(help="Its page: a file of HTML, or of MJML (.mjml).")]
LONG = {"body", "text", "languages", "html"}


@app.command("list")
def list_templates(
    ctx: typer.Context,
    *,
    archived: Annotated[bool, typer.Option(help="Those that are archived instead.")] = False,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the workspace's templates, the newest first."""
    answer = _api(ctx).get(PATH, archived=archived or None, limit=limit, cursor=cursor)
    columns = ["id", "name", "version", "created_at"]
    show.page(answer, columns, empty="There is no template.", as_json=as_json)


@app.command("show")
def show_template(
    ctx: typer.Context, template_id: TemplateId, *, as_json: show.AsJson = False
) -> None:
    """Show a template at its newest version, and the campaigns on it."""
    found = _api(ctx).get(_path(template_id))
    if as_json:
        show.data(found)
    else:
        show.pairs({name: value for name, value in found.items() if name not in LONG})


@app.command()
def create(
    ctx: typer.Context,
    document: Document,
    *,
    body: Body = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a template of a JSON object as POST /v1/templates takes it."""
    answer = _api(ctx).post(PATH, _with_body(documents.read(document, "template"), body))
    show.made(answer, _said(answer), as_json=as_json, id_only=id_only)


@app.command("set")
def set_template(
    ctx: typer.Context,
    template_id: TemplateId,
    document: Document,
    *,
    body: Body = None,
    reason: Reason,
    as_json: show.AsJson = False,
) -> None:
    """Write its next version; what the JSON object leaves out stays ({}: with newer snippets)."""
    change = {**_with_body(documents.read(document, "change"), body), "reason": reason}
    answer = _api(ctx).patch(_path(template_id), change)
    show.made(answer, _said(answer), as_json=as_json)


@app.command()
def versions(
    ctx: typer.Context,
    template_id: TemplateId,
    *,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List all versions: by whom, and why."""
    answer = _api(ctx).get(f"{_path(template_id)}/versions", limit=limit, cursor=cursor)
    columns = ["version", "created_at", "created_by", "reason", "subject"]
    show.page(answer, columns, as_json=as_json)


@app.command()
def preview(
    ctx: typer.Context,
    template_id: TemplateId,
    *,
    profile_id: Annotated[str | None, typer.Option(help="As whose it is shown.")] = None,
    language: Annotated[str | None, typer.Option(help="In place of the person's own.")] = None,
    html: Annotated[bool, typer.Option(help="Print the page alone, for a browser.")] = False,
    as_json: show.AsJson = False,
) -> None:
    """Show a template as a person would get it, and what to look at before it goes."""
    asked = {"profile_id": profile_id, "language": language}
    body = {name: value for name, value in asked.items() if value is not None}
    found = _api(ctx).post(f"{_path(template_id)}/preview", body)
    if as_json:
        show.data(found)
    elif html:
        show.line(found["html"])
    else:
        show.pairs({name: found[name] for name in ("subject", "preheader", "language", "size")})
        show.line(f"\n{found['text']}")
        for one in found["warnings"]:
            show.note(f"{one['code']}: {one['message']}")


@app.command()
def warnings(
    ctx: typer.Context,
    template_id: TemplateId,
    segment_id: Annotated[str, typer.Argument(help="Who would get it.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """How many people of a segment lack what the template prints of them without a default."""
    found = _api(ctx).post(f"{_path(template_id)}/warnings", {"segment_id": segment_id})
    if as_json:
        show.data(found)
        return
    for one in found["lacking"]:
        show.line(f"{one['people']} of {found['looked_at']} lack {one['variable']}")
    if not found["lacking"]:
        show.line(f"None of {found['looked_at']} lacks anything.")


@app.command()
def archive(ctx: typer.Context, template_id: TemplateId, *, as_json: show.AsJson = False) -> None:
    """Archive a template: campaigns on it keep what they say."""
    _api(ctx).delete(_path(template_id))
    answer = {"id": template_id, "archived": True}
    show.made(answer, f"Template {template_id} is archived.", as_json=as_json)


def _with_body(document: dict[str, Any], file: Path | None) -> dict[str, Any]:
    if file is None:
        return document
    try:
        body = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError("bad_file", f"{file} can't be read: {error}.") from error
    form = "mjml" if file.suffix.lower() == ".mjml" else "html"
    return {"format": form, "body": body, **document}


def _said(answer: dict[str, Any]) -> str:
    drafts = [one for one in answer.get("campaigns", ()) if one["state"] == "draft"]
    others = len(answer.get("campaigns", ())) - len(drafts)
    told = f"Template {answer['id']} is at version {answer['version']}."
    if drafts or others:
        told += f" {len(drafts)} drafts say it now; {others} campaigns keep what they say."
    return told


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(template_id: str) -> str:
    return f"{PATH}/{quote(template_id, safe='')}"
