"""The guides' code, run as a reader would: each page's pieces one after the other, in one shell."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import node
from tests.support.ready_command import ready_command
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace

from rapport_local.stack import Stack

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs/guides"
BROWSER = ROOT / "tests/sdks/browser/browser.mjs"
BASE = 8100
COMMAND = ".venv/bin/rapport"
PIECE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Whom a client's page is about, and what must be in that person's timeline in the end.
ARRIVES = {
    "csv": ("guide-csv", None),
    "curl": ("guide-curl", "Order Completed"),
    "html": ("guide-html", "Product Viewed"),
    "node": ("guide-node", "Order Completed"),
    "pos": ("guide-pos", "Order Completed"),
    "python": ("guide-python", "Order Completed"),
}
# What a page promises that its reader will see, in this order.
SHOWS = {
    "asking": [
        *("asked", "recommend us", "Version 1 holds.", "this_survey", "poster.svg is written"),
        "After delivery, asked: 3",
    ],
    "brand": ["Corner Shop</span>", "Zur Website von Corner Shop", '"logo":""'],
    "broadcasts": [
        *("2  gets", "never: no consent", "done", "begun", "is scheduled."),
        *("is paused.", "is cancelled."),
    ],
    "campaigns": ["[Test] News for you", "lin@campaigns.example", "no consent", "is archived."],
    "channels": [
        *("ucs2", "sms", "settings.account_sid", "0.0795"),
        *("paused", "Reply STOP to get no more", "is removed."),
    ],
    "complaints-intake": [
        *("Its number is", "mia@intake.example", "theirs", "complaints@intake.example"),
        *("refused, as it should be", "note.txt", "Dear Mia", "assessed"),
        *("Cold coffee", "It is given.", "more than she may", "12.50"),
    ],
    "case-work": [
        *("is present.", "is ann's: Kettle broken", "Nobody else.", "Kettle broken"),
        *("goes on as", "is acknowledged again.", "'s.", "changed", "is away."),
    ],
    "complaints": ["is closed.", "He is content", "open cases      0"],
    "computed-traits": [
        *(
            "purchase_cycle_days",
            "Filled.",
            '"tea"',
            "money",
            "Version 1 of spent_in_90_days holds.",
        ),
        *(" live ", "Version 2 of", "small ones don't count", "is no more"),
    ],
    "consent": [
        *(" granted  no ", " granted  yes ", "You have confirmed it", "yet to confirm it"),
        *("You have confirmed it", "Permitted.", "You are unsubscribed"),
        *(" withdrawn  yes ", "Ihre Einstellungen", "Saved.", "Not permitted.", " denied "),
    ],
    "content": [
        *(
            "Snippet footer is at version 1.",
            "歡迎，Mei",
            "Welcome, Mei",
            "lack profile.traits.plan",
        ),
        *("1 drafts say it now", "歡迎，Mei", "MEI-", "utm_source=welcome", "shorter"),
    ],
    "duplicates": [" likely ", "two digits swapped", "nothing was changed", "keeps", "measured at"],
    "feeds": ["there is no such host", "It is fine, 20 degrees.", "that feed is not there"],
    "finding-people": [
        *("traits.name: 张三", "inside", "whole", "contact_points.sms: +49", "misspelt"),
        *("city 上海", "nobody@finding.example", "'=1+1", "is written"),
    ],
    "groups": [
        *("Bonn", "owner", "elm-street-5", "traits.", "Is in it."),
        *("Is in it no more.", "Version 1 holds.", "the till knows best"),
    ],
    "lists": [
        *("2 of 2 changed", "email", 'on list "VIP', "invalid_value"),
        *("+491715550123", "archived"),
    ],
    "loyalty": ["loyalty_tier", "available 110", "Spent.", "+5 points.", "adjusted", "redeemed"],
    "offers": [
        *("Version 1 holds.", "guide-tea is at version 1.", "the product's floor", "no rule holds"),
        *("Tea for 8.93 EUR", "Tea for 10.50 EUR", "loyalty tier gold", "nothing new"),
        *("is archived.", "8.93"),
    ],
    "outcomes": [
        *(
            "bounced",
            "hard",
            "5.1.1",
            "bounced_hard",
            "soft bounces",
            "hard bounce",
            "standard may post to",
        ),
    ],
    "permission": [
        *("Version 1 holds.", "It was sent on", "promo-daily", "1 of 1 in 1 day, next possible"),
        *("1 of 1 changed.", "one row was refused", "asked on the phone", "2 of 2 changed."),
    ],
    "profiles": ["Order Completed", "Newsletter Opened", "Version 1 holds."],
    "recommendations": [
        *("guide", "bought with The guide-cup", "looked at recently", "EUR – looked at"),
        *("A pot", "1 products are saved.", "Product guide-tray is archived.", "guide-pot"),
    ],
    "recovery": ["records of `events` = consumed by profile", "told again.", " republish "],
    "rfm": ["RFM: champions", " people.", "is done", "hibernating"],
    "segment-library": [
        *("Bought, and not for 120 days.", "event Order Completed", " yes "),
        "was there already",
    ],
    "segments": [" people.", ">= 500", " yes ", "is archived and has 0 members"],
    "sender-domains": [
        *("mail.shop.example.com is unchecked.", "_domainkey.mail.shop.example.com TXT", "p=MII"),
        *("key waiting", "mail.shop.example.com is removed"),
    ],
    "surveys": ["Your answer: <strong>9<", "nps         100.0", "wave  2", "well packed"],
}
PAGES = {str(one.relative_to(GUIDES).with_suffix("")): one for one in GUIDES.rglob("*.md")}


@dataclass(frozen=True)
class Piece:
    """A piece of code of a page, and the page's line of its first line."""

    language: str
    line: int
    code: str


def pieces(page: Path, base: int, command: str = COMMAND) -> Iterator[Piece]:
    """The pieces of a page, with the ports of the stack that is up, and the `rapport` to call."""
    text = page.read_text()
    for found in PIECE.finditer(text):
        code = re.sub(
            r"127\.0\.0\.1:(81\d\d)",
            lambda port: f"127.0.0.1:{base + int(port[1]) - BASE}",
            found[2].replace(COMMAND, command),
        )
        yield Piece(found[1], text.count("\n", 0, found.start(2)) + 1, code)


def shell(wanted: list[Piece]) -> str:
    """One script; its trap says at which line of the page it ended."""
    told = "trap 'echo \"ended at line $((LINENO - OFFSET)) of the page: $BASH_COMMAND\" >&2' ERR\n"
    script = f"set -Eeuo pipefail\nOFFSET=0\n{told}"
    for piece in wanted:
        # The line after the assignment is the piece's first.
        offset = script.count("\n") + 2 - piece.line
        script += f"OFFSET={offset}\n{piece.code}"
    return script


@pytest.fixture(scope="module")
def reader(stack: Stack) -> Iterator[Workspace]:
    """The reader's workspace: all pages go on in it, one after the other."""
    with Workspace.fresh(stack) as made:
        yield made


@pytest.fixture(scope="module")
def command() -> Iterator[str]:
    """What is called in place of `rapport`: the same, sooner. The README's test calls itself."""
    with ready_command() as made:
        yield str(made)


@pytest.fixture
def environment(reader: Workspace) -> Mapping[str, str]:
    """What `make up` has given a reader: no credentials, each page says where they come from."""
    stack = reader.stack
    given = {key: one for key, one in os.environ.items() if key not in {"TOKEN", "WRITE_KEY"}}
    return {
        **given,
        "RAPPORT_HOME": str(stack.config.home.root),
        "RAPPORT_PORT_BASE": str(stack.config.ports.base),
        "RAPPORT_WORKSPACE": reader.name,
        "RAPPORT_PATIENCE_SECONDS": f"{HANG_SECONDS:g}",
    }


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_works_as_it_stands(
    name: str, reader: Workspace, command: str, environment: Mapping[str, str], tmp_path: Path
) -> None:
    page = PAGES[name]
    found = list(pieces(page, reader.stack.config.ports.base, command))
    kept = tmp_path / "write-key"
    script = shell([one for one in found if one.language == "sh"])
    script += f"\nprintf %s \"${{WRITE_KEY-}}\" > '{kept}'\n"
    told = succeeds(page, ["bash", "-c", script], environment, ROOT)
    for promise in SHOWS.get(name, ()):
        _, seen, told = told.partition(promise)
        assert seen, f"{page.relative_to(ROOT)}: shows no {promise!r} where it should"
    write_key = kept.read_text()
    environment = {**environment, "WRITE_KEY": write_key}
    for piece in found:
        if piece.language == "python":
            succeeds(page, [sys.executable, "-c", piece.code], environment, tmp_path)
        elif piece.language == "js":
            run_node(page, piece, environment, tmp_path)
        elif piece.language == "html":
            show(page, piece, reader, write_key, tmp_path)
    if page.stem in ARRIVES:
        arrived(reader, *ARRIVES[page.stem])


def succeeds(page: Path, command: list[str], environment: Mapping[str, str], folder: Path) -> str:
    """Run a command, and return what it prints; a failure names the page."""
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    told = done.stdout[-2000:] + done.stderr[-2000:]
    assert done.returncode == 0, f"{page.relative_to(ROOT)}: {told}"
    return done.stdout


def run_node(page: Path, piece: Piece, environment: Mapping[str, str], folder: Path) -> None:
    """Run a piece as a module of a project that has the packages installed."""
    (folder / "node_modules").symlink_to(node.packages() / "node_modules")
    program = folder / "page.mjs"
    program.write_text(piece.code)
    succeeds(page, [str(node.NODE), str(program)], environment, folder)


def show(page: Path, piece: Piece, reader: Workspace, write_key: str, folder: Path) -> None:
    """Open a page in a browser until its events are there."""
    shown = folder / "page.html"
    shown.write_text(piece.code)
    with browser(shown, write_key) as process:
        who, name = ARRIVES[page.stem]
        until(f"{name} of {who}", lambda: process.poll() or stored(reader, who, name))


@contextmanager
def browser(shown: Path, write_key: str) -> Iterator[subprocess.Popen[str]]:
    """A browser that has a page open until the end of the block."""
    process = subprocess.Popen(
        [node.NODE, BROWSER, shown],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=node.environment(node.packages()),
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"key": write_key}) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        told, _ = process.communicate(timeout=HANG_SECONDS)
        print(told)
    assert process.returncode == 0, told


def stored(reader: Workspace, who: str, name: str | None) -> bool:
    """Whether an event of this name, or any for None, is in somebody's timeline."""
    timeline = reader.timeline(who)
    return any(name is None or event.get("name") == name for event in timeline)


def arrived(reader: Workspace, who: str, name: str | None) -> None:
    """Wait for it."""
    until(f"{name or 'event'} of {who}", lambda: stored(reader, who, name))


def test_what_is_promised_has_a_page() -> None:
    assert {f"clients/{one}" for one in ARRIVES} | SHOWS.keys() <= PAGES.keys()


def test_a_failure_names_the_line_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```sh\ntrue\n```\n\nText.\n\n```sh\ntrue\nfalse\ntrue\n```\n")
    script = shell(list(pieces(page, BASE)))
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ended at line 11 of the page: false" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["survey", "--help"], ["survy"], ["segment", "preview", "-"], ["mail", "list"]]
)
def test_what_is_called_in_its_place_does_the_same(
    arguments: list[str], command: str, tmp_path: Path
) -> None:
    """Streams, exit code, folder and environment are those of the call."""
    ended = []
    for program in (str(ROOT / COMMAND), command):
        done = subprocess.run(
            [program, *arguments],
            check=False,
            cwd=tmp_path,
            env={"RAPPORT_HOME": "here", "PATH": os.environ["PATH"]},
            input="{",
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        ended.append((done.returncode, done.stdout, done.stderr))
    assert ended[0] == ended[1]
