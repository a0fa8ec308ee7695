"""`rapport segment export`, `overlap` and `import`: members and rules, out and in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rapport_cli import documents, show
from rapport_cli.errors import CliError
from rapport_cli.segments import Segment, app, find, path_of
from rapport_cli.whole_files import format_of, whole

__all__ = ["app"]  # with the commands of `segments` and this


@app.command("export")
def export_members(
    ctx: typer.Context,
    segment: Segment,
    file: Annotated[Path, typer.Argument(help="Where to write: .csv, .jsonl or .parquet.")],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Such as id, entered_at, contact_points.email; several times."),
    ] = None,
    gzip: Annotated[bool, typer.Option("--gzip", help="Pack the file.")] = False,
    keep_formulas: Annotated[
        bool, typer.Option("--keep-formulas", help="CSV for programs, not for spreadsheets.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write the members of a segment to a file, all as of one instant."""
    body: dict[str, Any] = {"format": format_of(file), "gzip": gzip}
    if column:
        body["columns"] = column
    if keep_formulas:
        body["formulas"] = "keep"
    api = show.session(ctx).api("segment")
    path = f"{path_of(find(api, segment)['id'])}/export"
    with whole(file, as_json=as_json) as part, part.open("wb") as out:
        for piece in api.download(path, body):
            out.write(piece)


@app.command()
def overlap(
    ctx: typer.Context,
    segments: Annotated[list[str], typer.Argument(help="Two to five ids or names.")],
    *,
    as_json: show.AsJson = False,
) -> None:
    """Count who is in several segments at once."""
    api = show.session(ctx).api("segment")
    ids = {find(api, one)["id"]: one for one in segments}
    answer = api.post("/v1/segments/overlap", {"segment_ids": list(ids)})
    if as_json:
        show.data(answer)
        return
    found = [
        {"in": " and ".join(ids[each] for each in one["segment_ids"]), **one}
        for one in answer["choices"]
    ]
    show.rows(found, ["in", "members", "only"])
    show.line(f"{answer['anywhere']} people are in any of them.")


@app.command("import")
def import_segment(
    ctx: typer.Context,
    platform: Annotated[
        str, typer.Argument(help="customerio, dittofeed, klaviyo, mautic or notifuse.")
    ],
    definition: Annotated[str, typer.Argument(help="Its JSON; @FILE, or - for standard input.")],
    *,
    name: Annotated[
        str | None, typer.Option(help="Make a segment of it; else the rule is only shown.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="THEIRS=OURS, for a trait; several times.")
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option(help="THEIRS=OURS, for a segment; several times.")
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="THEIRS=OURS, for an event; several times.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Read a definition of another platform as a rule; what can't be one is refused."""
    api = show.session(ctx).api("segment")
    named = _pairs(segment)
    body: dict[str, Any] = {
        "platform": platform,
        "definition": documents.read(definition, "definition"),
        "fields": _pairs(field),
        "segments": {theirs: find(api, ours)["id"] for theirs, ours in named.items()},
        "events": _pairs(event),
    }
    if name is not None:
        body["name"] = name
    answer = api.post("/v1/segments/import", body)
    if as_json:
        show.data(answer)
        return
    show.line(answer["text"])
    for note in answer["notes"]:
        show.note(f"Note: {note}.")
    if answer["segment_id"]:
        show.line(f"Segment {answer['segment_id']} is made of it.")


def _pairs(given: list[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given or ():
        theirs, equals, ours = one.partition("=")
        if not (theirs and equals and ours):
            raise CliError("bad_pair", f"'{one}' is not THEIRS=OURS.")
        if found.setdefault(theirs, ours) != ours:
            raise CliError("bad_pair", f"'{theirs}' is said to be {found[theirs]} and {ours}.")
    return found
