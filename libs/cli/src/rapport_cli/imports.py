"""`rapport import`: a CSV, JSON Lines or Parquet file, or one in S3, becomes events."""

from __future__ import annotations

import io
import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport_cli import documents, jobs, show
from rapport_cli.errors import CliError

if TYPE_CHECKING:
    from rapport_cli.client import Api

PART_BYTES = 16 * 2**20
TRIES = 5
PASSING = frozenset({"unreachable", "unavailable"})

File = Annotated[Path | None, typer.Argument(help="The file; .gz is unpacked.")]
Source = Annotated[str, typer.Option(help="The source that the events are of.")]
S3 = Annotated[str | None, typer.Option("--s3", help="s3://bucket/key instead of a file.")]
Type = Annotated[str, typer.Option("--type", help="track, identify, page, screen, group, alias.")]
EventName = Annotated[str | None, typer.Option("--event", help="The name of track events.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="FIELD=COLUMN; repeat it.")]
MapFile = Annotated[Path | None, typer.Option(help="A JSON file with the whole mapping.")]
Preset = Annotated[str | None, typer.Option(help="A ready mapping: pos.")]
Option = Annotated[
    list[str] | None, typer.Option("--option", help="NAME=VALUE of the file's form; repeat it.")
]
Party = Annotated[str, typer.Option(help="Whose data it is: first, second, third.")]
Provider = Annotated[str | None, typer.Option(help="From whom second and third party data is.")]
Basis = Annotated[str | None, typer.Option(help="Why it may be used: consent, contract, …")]
Live = Annotated[
    bool, typer.Option("--live", help="News of now: segments and campaigns may act on it.")
]
DryRun = Annotated[bool, typer.Option(help="Judge every row, send none.")]
Wait = Annotated[bool, typer.Option(help="Until the import has ended.")]
Resume = Annotated[str | None, typer.Option(help="Go on with the upload of this import.")]


def import_file(
    ctx: typer.Context,
    file: File = None,
    *,
    source: Source = "",
    s3: S3 = None,
    kind: Type = "track",
    event: EventName = None,
    fields: Map = None,
    map_file: MapFile = None,
    preset: Preset = None,
    options: Option = None,
    party: Party = "first",
    provider: Provider = None,
    legal_basis: Basis = None,
    live: Live = False,
    dry_run: DryRun = False,
    wait: Wait = True,
    resume: Resume = None,
    as_json: show.AsJson = False,
) -> None:
    """Import a file. Exit code 1 when a row was rejected; the quarantine has these."""
    if (file is None) == (s3 is None) or not (source or resume):
        raise CliError("bad_usage", "Give a FILE or --s3, and --source.")
    if file is not None:
        _check_there(file)
    api = show.session(ctx).api("ingest")
    spec = {
        "source": source,
        "name": file.name if file else None,
        "uri": s3,
        "mapping": _mapping(kind, event, fields, map_file),
        "preset": preset,
        "options": dict(_pair(one, "--option") for one in options or ()),
        "party": party,
        "provider": provider,
        "legal_basis": legal_basis,
        "historic": not live,
        "dry_run": dry_run,
    }
    job = resume or _made(api, {key: one for key, one in spec.items() if one is not None})
    if file is not None:
        _upload(api, job, file, quiet=as_json)
    if wait:
        jobs.end(jobs.follow(api, job, quiet=as_json), as_json=as_json)
    elif as_json:
        show.data({"id": job})
    else:
        show.line(f"Import {job} has begun; `rapport job show {job}` shows how far it is.")


def _check_there(file: Path) -> None:
    """CliError when there is no such file: said before anything else about it, such as its form."""
    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise CliError("bad_file", f"{file} {what}. Give the path of the file to import.")
    if not os.access(file, os.R_OK):
        raise CliError("bad_file", f"{file} may not be read by you.")


def _made(api: Api, spec: dict[str, Any]) -> str:
    return str(api.post("/v1/imports", spec)["id"])


def _mapping(
    kind: str, event: str | None, fields: list[str] | None, file: Path | None
) -> dict[str, Any] | None:
    if file is not None:
        return documents.read(f"@{file}", "mapping")
    if not fields:
        return None
    mapping: dict[str, Any] = {"type": kind, "fields": dict(_pair(one, "--map") for one in fields)}
    return mapping if event is None else {**mapping, "event": event}


def _pair(text: str, option: str) -> tuple[str, Any]:
    name, value = documents.named(text, option)
    if option == "--map":
        return name, value
    if name == "columns":
        return name, value.split(",")
    flags: dict[str, Any] = {"true": True, "false": False}
    return name, int(value) if name == "limit" and value.isdecimal() else flags.get(value, value)


def _upload(api: Api, job: str, path: Path, *, quiet: bool) -> None:
    """Send the file in parts; one that breaks off is sent again from where the server is."""
    address = f"/v1/imports/{job}/file"
    try:
        with path.open("rb") as file, jobs.bar(quiet=quiet) as progress:
            total = file.seek(0, io.SEEK_END)
            task = progress.add_task("uploading", total=total)
            offset, tries, state = _offset(api, address), 0, "uploading"
            while state == "uploading":
                progress.update(task, completed=offset)
                file.seek(offset)
                try:
                    answer = api.upload(address, *_part(file.read(PART_BYTES), offset, total))
                except CliError as error:
                    tries += 1
                    if error.code not in PASSING or tries == TRIES:
                        raise
                    Event().wait(tries)
                    offset = _offset(api, address)
                else:
                    offset, state, tries = answer["offset"], answer["state"], 0
    except OSError as error:
        message = f"{path} can't be read: {error.strerror or error}."
        raise CliError("bad_file", message) from error
    except (KeyboardInterrupt, CliError):
        hint = f"The upload stands still; go on with `rapport import --resume {job} {path}`."
        show.errors.print(hint)
        raise


def _offset(api: Api, address: str) -> int:
    return int(api.get(address)["offset"])


def _part(data: bytes, offset: int, total: int) -> tuple[bytes, dict[str, str]]:
    which = f"{offset}-{offset + len(data) - 1}" if data else "*"
    return data, {"Content-Range": f"bytes {which}/{total}"}
