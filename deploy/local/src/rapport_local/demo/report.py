"""The demo's last page: the numbers, the shopper's story, the ledger, and where to go on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from rapport_local.demo.checks import revenue
from rapport_local.demo.comeback import BACK, CUSTOMER
from rapport_local.demo.data import REVENUE
from rapport_local.demo.shopper import NAME, ORDER
from rapport_local.ui import console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rapport_local.config import Config
    from rapport_local.demo.checks import Check
    from rapport_local.demo.outcome import Outcome
    from rapport_local.demo.stages import Stage

UNTOLD = ("_id", "_key", "_point", "_version")  # of a timeline's details: ids say little here


def show(outcome: Outcome, checks: list[Check], stages: list[Stage]) -> None:
    """Print the report."""
    _checks(checks)
    _title("Revenue")
    console.print(
        f"${revenue(outcome):,} = ${REVENUE:,} of the file + ${ORDER} of {NAME}'s web order"
    )
    _comeback(outcome)
    _shopper(outcome)
    _ledger(outcome)
    _stages(stages)


def show_way_on(config: Config, workspace: str, *, up: bool) -> None:
    """Print where the mails are and, when the stack stays up, its addresses."""
    _title("Go on")
    console.print(f"Mails     {config.home.mail}")
    console.print("          .venv/bin/rapport mail list --to ada@example.com; … mail show NUMBER")
    if not up:
        console.print("The stack is stopped, its data kept. `KEEP=1 make demo` leaves it up.")
        return
    for service in config.services:
        console.print(f"{service:9} {config.url(service)} · {config.url(service)}/docs")
    console.print(f"Shell     export RAPPORT_WORKSPACE={workspace}")
    console.print("          .venv/bin/rapport profile show email ada@example.com")
    console.print("          .venv/bin/rapport token")


def _checks(checks: Iterable[Check]) -> None:
    _title("Exactly so")
    table = _grid()
    for one in checks:
        verdict = Text("ok", "green") if one.holds else Text("WRONG", "bold red")
        wanted = "" if one.holds else f"must be {_number(one.wanted)}"
        table.add_row(verdict, one.name, Text(_number(one.found), justify="right"), wanted)
    console.print(table)


def _comeback(outcome: Outcome) -> None:
    _title(f"Customer {CUSTOMER} in “{outcome.library[BACK]['name']}”: why, and why no more")
    table = _grid()
    for one in outcome.inside["explanation"]:
        ends = Text(f"until {one['until']}" if one["until"] else "", no_wrap=True)
        table.add_row(one["subject"], _asked(one), ends)
    console.print(table)
    left = outcome.outside
    console.print(Text(f"In   {outcome.inside['entered_at']}: {outcome.inside['reason']}"))
    console.print(Text(f"Out  {left['left_at']}: {left['reason']}"))


def _asked(comparison: dict[str, Any]) -> str:
    """What was asked of a subject; an event that has happened answers by itself."""
    asked = comparison["wanted"]
    return "" if asked is None else f"{comparison['op']} {asked}"


def _shopper(outcome: Outcome) -> None:
    _title(f"{NAME}'s timeline, oldest first")
    table = _grid()
    for event in reversed(outcome.timeline):
        table.add_row(*_moment(event), _details(event))
    console.print(table)
    score, reasons = outcome.score, {one.get("reason") for one in outcome.suppressed}
    console.print(
        f"NPS {score['nps']} from {score['n']} answer; second reminder suppressed: "
        f"{', '.join(map(str, reasons))}"
    )
    for case in outcome.cases:
        console.print(
            Text(
                f"Open case {case['number']}: {case['subject']}, {case['state']}, "
                f"due {case['due_at']}"
            )
        )


def _ledger(outcome: Outcome) -> None:
    _title("Ledger")
    table = _grid()
    for one in outcome.ledger["equations"]:
        verdict = Text("ok", "green") if one["ok"] else Text("BROKEN", "bold red")
        table.add_row(verdict, Text(one["says"]), Text(one["numbers"]))
    console.print(table)


def _stages(stages: Iterable[Stage]) -> None:
    _title("Time")
    table = _grid()
    for one in stages:
        table.add_row(one.name, Text(f"{one.seconds:.1f} s", justify="right"), one.rate)
    console.print(table)


def _moment(event: dict[str, Any]) -> tuple[str, str, str]:
    name, kind = event.get("name"), event["type"]
    what = name if name and kind == "track" else " ".join(filter(None, (kind, name)))
    return str(event["timestamp"])[11:19], event["source"], what


def _details(event: dict[str, Any]) -> Text:
    details = event.get("properties") or event.get("traits") or {}
    told = [f"{name} {value}" for name, value in details.items() if not name.endswith(UNTOLD)]
    return Text(", ".join(told), "dim", no_wrap=True, overflow="ellipsis")


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _grid() -> Table:
    return Table(box=None, show_header=False, padding=(0, 2, 0, 0))


def _title(text: str) -> None:
    console.print()
    console.print(Rule(Text(text, "bold"), align="left", style="dim"))
