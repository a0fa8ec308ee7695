"""`rapport task`: what staff are asked to tell people, by phone or in a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import show
from rapport_cli.whole_files import whole

if TYPE_CHECKING:
    from rapport_cli.client import Api

app = typer.Typer(help="Tasks of staff: calls, and words in a store.", no_args_is_help=True)
PATH = "/v1/tasks"
TaskId = Annotated[str, typer.Argument(help="The task's id.")]
Channel = Annotated[str | None, typer.Option(help="phone or store.")]
Queue = Annotated[str | None, typer.Option(help="Whose staff, as the messages say.")]
COLUMNS = ["id", "channel", "queue", "point", "title", "state", "outcome", "due_at", "expires_at"]


@app.command("list")
def list_tasks(
    ctx: typer.Context,
    *,
    state: Annotated[str | None, typer.Option(help="open, done or withdrawn.")] = None,
    channel: Channel = None,
    queue: Queue = None,
    limit: show.Limit = 100,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List tasks, the newest first."""
    answer = _api(ctx).get(
        PATH, state=state, channel=channel, queue=queue, limit=limit, cursor=cursor
    )
    show.page(answer, COLUMNS, empty="There is no such task.", as_json=as_json)


@app.command("show")
def show_task(ctx: typer.Context, task: TaskId, *, as_json: show.AsJson = False) -> None:
    """Show a task, and what came of it."""
    found = _api(ctx).get(_path(task))
    if as_json:
        show.data(found)
    else:
        show.pairs(found)


@app.command()
def claim(
    ctx: typer.Context,
    *,
    count: Annotated[int, typer.Option(help="So many at most.", min=1, max=50)] = 1,
    minutes: Annotated[int, typer.Option(help="Then others may take them.", min=1, max=480)] = 30,
    channel: Channel = None,
    queue: Queue = None,
    as_json: show.AsJson = False,
) -> None:
    """Take tasks that are due."""
    body: dict[str, Any] = {"count": count, "lease_minutes": minutes}
    body |= {key: one for key, one in (("channel", channel), ("queue", queue)) if one is not None}
    answer = _api(ctx).post(f"{PATH}/claim", body)
    if as_json:
        show.data(answer)
    else:
        columns = ["id", "point", "title", "script", "lease_until_at"]
        show.rows(answer["items"], columns, empty="Nothing is to be done.")


@app.command()
def done(
    ctx: typer.Context,
    task: TaskId,
    outcome: Annotated[str, typer.Argument(help="reached, not_reached, call_again or refused.")],
    *,
    note: Annotated[str, typer.Option(help="What was said.")] = "",
    again_at: Annotated[str | None, typer.Option(help="When to call again (RFC 3339).")] = None,
    as_json: show.AsJson = False,
) -> None:
    """Say what came of a task; who has refused gets no more promotions by its channel."""
    body: dict[str, Any] = {"outcome": outcome, "note": note}
    if again_at is not None:
        body["again_at"] = again_at
    answer = _api(ctx).post(f"{_path(task)}/done", body)
    show.made(answer, f"The task is {answer.get('state')}.", as_json=as_json)


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write: tasks.csv.")],
    *,
    keep_formulas: Annotated[
        bool, typer.Option("--keep-formulas", help="For programs, not for spreadsheets.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Write all open tasks to a CSV file."""
    body = {"formulas": "keep"} if keep_formulas else {}
    api = _api(ctx)
    with whole(file, as_json=as_json) as part, part.open("wb") as out:
        for piece in api.download(f"{PATH}/export", body):
            out.write(piece)


def _api(ctx: typer.Context) -> Api:
    return show.session(ctx).api("campaign")


def _path(task: str) -> str:
    return f"{PATH}/{quote(task, safe='')}"
