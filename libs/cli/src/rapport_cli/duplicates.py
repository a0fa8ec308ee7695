"""`rapport duplicates`: people who may be one person, and what you say of them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from rapport_cli import jobs, show
from rapport_cli.decisions import DryRun, Reason, tell

app = typer.Typer(help="People who may be one person: find, compare, merge.", no_args_is_help=True)
PATH = "/v1/duplicates"
COLUMNS = ["id", "score", "band", "why", "profile_id", "other_profile_id"]
DECIDED = ["id", "score", "decided_by", "decided_reason", "decided_at", "decision_id"]
COUNTS = ("changed", "compared", "open", "likely", "withdrawn", "crowded")
MOST_REASONS = 4
Duplicate = Annotated[str, typer.Argument(help="The pair's id.")]


@app.command()
def find(
    ctx: typer.Context,
    *,
    everybody: Annotated[
        bool, typer.Option(help="Also those of whom nothing has changed since the last time.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Compare who is new or has changed with all others, and wait for the end; nobody is merged."""
    api = show.session(ctx).api("profile")
    job = api.post(f"{PATH}/find", {"everybody": everybody})
    done = jobs.watch(api, job["id"], quiet=as_json)
    if as_json:
        show.data(done)
        return
    report = done.get("report") or {}
    show.pairs({"people": done["done"], **{name: report.get(name, 0) for name in COUNTS}})


@app.command("list")
def list_pairs(
    ctx: typer.Context,
    *,
    state: Annotated[str, typer.Option(help="open, merged or dismissed.")] = "open",
    min_score: Annotated[float, typer.Option(help="0.99 shows the likely ones.")] = 0.0,
    limit: show.Limit = 50,
    cursor: show.Cursor = None,
    as_json: show.AsJson = False,
) -> None:
    """List pairs as the last search has found them, the likeliest first."""
    asked = {"state": state, "min_score": min_score, "limit": limit, "cursor": cursor}
    answer = show.session(ctx).api("profile").get(PATH, **asked)
    if not as_json:
        for one in answer["items"]:
            one["why"] = "; ".join(each["told"] for each in one["reasons"][:MOST_REASONS])
    show.page(answer, COLUMNS if state == "open" else DECIDED, as_json=as_json)


@app.command("show")
def show_pair(ctx: typer.Context, duplicate: Duplicate, *, as_json: show.AsJson = False) -> None:
    """Show two people side by side, and what each field says."""
    found = show.session(ctx).api("profile").get(_path(duplicate))
    if as_json:
        show.data(found)
        return
    show.pairs({name: found[name] for name in ("id", "state", "score", "band")})
    show.rows(found["reasons"], ["told", "bits"], empty="They have nothing in common.")
    show.rows(_side_by_side(found["profiles"]), ["what", "one", "other"], empty="")


@app.command()
def merge(
    ctx: typer.Context,
    duplicate: Duplicate,
    *,
    reason: Reason,
    dry_run: DryRun = False,
    as_json: show.AsJson = False,
) -> None:
    """Make one person of the two; `rapport profile undo` takes it back."""
    api = show.session(ctx).api("profile")
    body = {"reason": reason, "dry_run": dry_run}
    tell(api.post(f"{_path(duplicate)}/merge", body), as_json=as_json)


@app.command()
def dismiss(
    ctx: typer.Context,
    duplicate: Duplicate,
    *,
    reason: Reason,
    keep_apart: Annotated[
        bool, typer.Option("--keep-apart", help="Never one person, whatever events say.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Say that the two are not one person: they are proposed no more."""
    api = show.session(ctx).api("profile")
    answer = api.post(f"{_path(duplicate)}/dismiss", {"reason": reason, "keep_apart": keep_apart})
    if as_json:
        show.data(answer)
        return
    kept = f" Decision {answer['decision_id']} keeps them apart." if keep_apart else ""
    show.line(f"Dismissed.{kept}")


def _path(duplicate: str) -> str:
    return f"{PATH}/{quote(duplicate, safe='')}"


def _side_by_side(profiles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each thing that is known of either."""
    known = [_known(one) for one in profiles]
    names = list(dict.fromkeys(name for one in known for name in one))
    columns = ("one", "other")
    return [
        {"what": name, **{at: one.get(name) for at, one in zip(columns, known, strict=False)}}
        for name in names
    ]


def _known(profile: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"profile": profile["id"]}
    for one in profile["identifiers"]:
        found[one["kind"]] = [*found.get(one["kind"], []), one["value"]]
    found |= {f"trait {name}": value for name, value in profile["traits"].items()}
    computed = profile["computed"]
    return found | {name: computed.get(name) for name in ("events", "orders", "last_seen_at")}
