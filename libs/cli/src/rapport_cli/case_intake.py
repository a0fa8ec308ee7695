"""`rapport complaint-form`, `complaint-address`, `case-origin`, `case-file`: how cases come in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.errors import CliError
from rapport_cli.whole_files import whole

FORMS, ADDRESSES = "/v1/complaint-forms", "/v1/complaint-addresses"
forms = typer.Typer(help="Forms for complaints that anybody may fill in.", no_args_is_help=True)
addresses = typer.Typer(help="Addresses to which complaints are mailed.", no_args_is_help=True)
origins = typer.Typer(help="How a case came in, and whose it is.", no_args_is_help=True)
files = typer.Typer(help="Files of cases.", no_args_is_help=True)
FormId = Annotated[str, typer.Argument(help="The form's id.")]
CaseId = Annotated[str, typer.Argument(help="The case's id.")]
FileId = Annotated[str, typer.Argument(help="The file's id.")]
Address = Annotated[str, typer.Argument(help="As complaints@shop.example.")]
PerHour = Annotated[int | None, typer.Option(help="So many cases at most.")]
Files = Annotated[bool | None, typer.Option(help="Whether it takes files.")]
FORM_COLUMNS = ["id", "name", "per_hour", "files", "url"]


@forms.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="For staff.")],
    *,
    per_hour: PerHour = None,
    files: Files = None,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Make a form, and print its link."""
    given = {"name": name, "per_hour": per_hour, "files": files}
    body = {key: value for key, value in given.items() if value is not None}
    made = show.session(ctx).api("feedback").post(FORMS, body)
    show.made(made, str(made["url"]), as_json=as_json, id_only=id_only)


@forms.command("list")
def list_forms(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the forms that are open."""
    answer = show.session(ctx).api("feedback").get(FORMS, limit=limit, cursor=cursor)
    show.page(answer, FORM_COLUMNS, empty="There is no form.", as_json=as_json)


@forms.command("set")
def set_form(
    ctx: typer.Context,
    form: FormId,
    *,
    name: Annotated[str | None, typer.Option(help="For staff.")] = None,
    per_hour: PerHour = None,
    files: Files = None,
    as_json: show.AsJson = False,
) -> None:
    """Let a form be otherwise; its link stays."""
    given = {"name": name, "per_hour": per_hour, "files": files}
    body = {key: value for key, value in given.items() if value is not None}
    made = show.session(ctx).api("feedback").patch(_at(FORMS, form), body)
    show.made(made, "The form is changed.", as_json=as_json)


@forms.command("archive")
def archive_form(ctx: typer.Context, form: FormId, *, as_json: show.AsJson = False) -> None:
    """Close a form: its link leads nowhere any more."""
    show.session(ctx).api("feedback").delete(_at(FORMS, form))
    show.made({"id": form}, "The form is closed.", as_json=as_json)


@addresses.command("list")
def list_addresses(
    ctx: typer.Context,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the addresses."""
    answer = show.session(ctx).api("feedback").get(ADDRESSES, limit=limit, cursor=cursor)
    columns = ["address", "trusted", "after_closing"]
    show.page(answer, columns, empty="There is no address.", as_json=as_json)


@addresses.command("set")
def set_address(
    ctx: typer.Context,
    address: Address,
    *,
    trusted: Annotated[
        list[str] | None,
        typer.Option(help="A mail server whose word on a sender counts: its authserv-id."),
    ] = None,
    after_closing: Annotated[
        str, typer.Option(help="What an answer to a closed case does: reopen, new_case, keep.")
    ] = "reopen",
    as_json: show.AsJson = False,
) -> None:
    """Take complaints that are mailed to an address."""
    body = {"trusted": trusted or [], "after_closing": after_closing}
    made = show.session(ctx).api("feedback").put(_at(ADDRESSES, address), body)
    show.made(made, f"Mails to {address} are taken.", as_json=as_json)


@addresses.command("archive")
def archive_address(ctx: typer.Context, address: Address, *, as_json: show.AsJson = False) -> None:
    """Take no more mails for an address."""
    show.session(ctx).api("feedback").delete(_at(ADDRESSES, address))
    show.made({"address": address}, f"Mails to {address} are refused.", as_json=as_json)


@origins.command("show")
def show_origin(ctx: typer.Context, case: CaseId, *, as_json: show.AsJson = False) -> None:
    """Show how a case came in, who its writer claims to be, and what is known of its mails."""
    found = show.session(ctx).api("feedback").get(f"{_at('/v1/cases', case)}/arrival")
    if as_json:
        show.data(found)
        return
    show.pairs({key: value for key, value in found.items() if key != "mails"})
    show.rows(found["mails"], ["at", "sender", "verdict", "automatic"], empty="No mails.")


@origins.command()
def verify(
    ctx: typer.Context,
    case: CaseId,
    *,
    user_id: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    email: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    note: Annotated[str, typer.Option(help="How that is known.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Say whose a case is; without a name, who it claims to be."""
    given = {"user_id": user_id, "email": email}
    body = {key: value for key, value in given.items() if value is not None}
    api = show.session(ctx).api("feedback")
    made = api.post(f"{_at('/v1/cases', case)}/verification", {**body, "note": note})
    show.made(made, f"Case {made['number']} is theirs.", as_json=as_json)


@files.command("list")
def list_files(
    ctx: typer.Context,
    case: CaseId,
    *,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List the files of a case, and why some are not kept."""
    api = show.session(ctx).api("feedback")
    answer = api.get(_files(case), limit=limit, cursor=cursor)
    columns = ["id", "name", "media_type", "size", "origin", "refused"]
    show.page(answer, columns, empty="There is no file.", as_json=as_json)


@files.command()
def add(
    ctx: typer.Context,
    case: CaseId,
    file: Annotated[Path, typer.Argument(help="What to put there.")],
    *,
    id_only: show.IdOnly = False,
    as_json: show.AsJson = False,
) -> None:
    """Put a file at a case."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CliError("bad_file", f"{file} can't be read: {error.strerror}.") from error
    made = show.session(ctx).api("feedback").send(_files(case), content, {"name": file.name})
    show.made(made, f"{file.name} is kept.", as_json=as_json, id_only=id_only)


@files.command()
def get(
    ctx: typer.Context,
    case: CaseId,
    file_id: FileId,
    to: Annotated[Path, typer.Argument(help="Where to write it.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Write a file of a case."""
    pieces = show.session(ctx).api("feedback").download(f"{_at(_files(case), file_id)}/file")
    with whole(to, as_json=as_json) as part, part.open("wb") as written:
        for piece in pieces:
            written.write(piece)


@files.command("archive")
def archive_file(
    ctx: typer.Context, case: CaseId, file_id: FileId, *, as_json: show.AsJson = False
) -> None:
    """Remove the content of a file; what it was stays."""
    show.session(ctx).api("feedback").delete(_at(_files(case), file_id))
    show.made({"id": file_id}, "Its content is removed.", as_json=as_json)


def _files(case: str) -> str:
    return f"{_at('/v1/cases', case)}/attachments"


def _at(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"
