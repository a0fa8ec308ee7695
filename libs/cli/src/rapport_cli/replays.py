"""`rapport replay`: from the quarantine, from the log, or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapport_cli import export_files, jobs, quarantine, show
from rapport_cli.errors import CliError

app = typer.Typer(help="Send events again under their own ids.", no_args_is_help=True)
app.command("quarantine")(quarantine.repair)

Source = Annotated[str | None, typer.Option(help="Only from this source.")]
WriteKey = Annotated[
    str, typer.Option(envvar="RAPPORT_WRITE_KEY", help="The write key of the source to send to.")
]


@app.command()
def topic(
    ctx: typer.Context,
    *,
    source: Source = None,
    since: Annotated[str | None, typer.Option(help="In the log since this instant.")] = None,
    until: Annotated[str | None, typer.Option(help="In the log before this instant.")] = None,
    message_id: Annotated[
        list[str] | None, typer.Option(help="Only these message ids; repeatable.")
    ] = None,
    user_id: Annotated[str | None, typer.Option(help="Only of this person.")] = None,
    event: Annotated[str | None, typer.Option(help="Only events of this name.")] = None,
    rate: quarantine.Rate = None,
    dry_run: quarantine.DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Publish records of the log again, within its retention of 72 hours."""
    asked = {
        "source": source,
        "since": since,
        "until": until,
        "message_ids": message_id or None,
        "user_id": user_id,
        "event": event,
    }
    selection = {key: value for key, value in asked.items() if value is not None}
    body = {"selection": selection, **({} if rate is None else {"rate": rate})}
    api = show.session(ctx).api("ingest")
    started = api.post(f"/v1/replays/topic?dry_run={str(dry_run).lower()}", body)
    found = jobs.watch(api, started["id"], quiet=as_json)
    (show.data if as_json else jobs.report)(found)


@app.command()
def file(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="JSON Lines: canonical or Segment-shaped events.")],
    *,
    write_key: WriteKey,
    from_line: Annotated[int, typer.Option(help="Go on at this line.", min=1)] = 1,
    rate: quarantine.Rate = None,
    dry_run: quarantine.DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Send an exported file's events under their own ids; sending it twice changes nothing."""
    sender = export_files.Sender(show.session(ctx).config.url("ingest"), write_key, rate)
    total = export_files.Sent()
    line = from_line
    try:
        for batch in export_files.batches(path, from_line):
            line = batch[0].number
            if not dry_run:
                total.add(sender.send(batch))
            total.lines = batch[-1].number
            if not dry_run and not as_json:
                show.line(f"line {total.lines:,}: {total.accepted:,} accepted")
    except (KeyboardInterrupt, CliError):
        show.notice(f"Go on with --from-line {line}; what is sent twice counts once.")
        raise
    counts = {"lines": total.lines, "accepted": total.accepted, "rejected": total.rejected}
    if as_json:
        show.data(counts)
    elif dry_run:
        show.line(f"{total.lines:,} lines can be read.")
    else:
        show.pairs(counts)
    if total.rejected and not as_json:
        show.line("What was rejected is in quarantine: `rapport quarantine summary`.")
