"""The command line covers the five APIs: each operation has a command that calls it."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.support.documents import document_of
from tests.support.typed_commands import (
    ARGUMENTS,
    CONSUMERS,
    ID,
    OF_CONSUMERS,
    OF_DUE,
    OF_JOBS,
    OF_RETENTION,
    PERSON,
)
from typing_extensions import override

from rapport_cli.__main__ import command
from rapport_cli.config import SERVICES
from rapport_cli.errors import CliError

# Commands that ask no operator route: a file, the secret, or the route of events.
WITHOUT_A_CALL = {"keys", "mail list", "mail show", "replay file", "token"}
# What they print is JSON, or a mail, as it is.
WITHOUT_JSON = {
    "contact-policy show",
    "contact-rules show",
    "group rules show",
    "loyalty programme show",
    "mail show",
    "mail-paces show",
    "mail-pools show",
    "merge-rules show",
    "plan draft",
    "plan show",
    "price-guards show",
    "quarantine export",
    "timeline-rules show",
    "calendar show",
    "case-policy show",
    "case-view show",
    "queue show",
    "team show",
    "consent-rules show",
    "trait-rules show",
    "topics show",
    "text show",
    "text-topic show",
}
# Groups of routes that programs and customers use, and no operator.
NO_COMMAND = {
    "health": "orchestrators ask these; `make status` does for people",
    "pages": "customers open them",
    "incoming": "others' systems post there",
    "sdk": "SDKs ask for their settings",
}
TWICE = {
    ("campaign", "GET", "/v1/brand"): "`brand set` keeps it the same as feedback's",
    ("campaign", "POST", "/v1/offers/{name}/quotes"): "`offer quote --record` asks it",
}
FOR_SENDERS = "write key"  # the credential of the routes that take events: SDKs and systems call
ANSWER: dict[str, Any] = {
    **{key: [] for key in ("items", "stopped", "added", "changed", "removed", "events")},
    **{key: [] for key in ("changes", "chain", "present", "ids")},
    **{key: [] for key in ("blocked_identifiers", "products", "slots")},
    **dict.fromkeys(("next", "error", "logo", "name", "color", "website"), None),
    **dict.fromkeys(("received", "accepted", "rejected", "quarantined", "spooled_now"), 0),
    **dict.fromkeys(
        ("spool_refused", "spool_discarded", "planned", "sending", "failed", "suppressed"), 0
    ),
    **dict.fromkeys(
        (
            "uncertain",
            "sent",
            "planned_total",
            "replayed",
            "discarded",
            "offset",
            "done",
            "retried",
        ),
        0,
    ),
    **dict.fromkeys(("rows", "taken", "refused"), 0),
    "refused_rows": [],
    "ids": [],
    "sentence": "It was sent.",
    **{key: [] for key in ("choices", "notes", "clamps", "prices")},
    "answered": True,
    "newest": 1,
    "text": "",
    "segment_id": None,
    "anywhere": 0,
    "topic": {"end_offsets_total": 0},
    "consumed": {"events": 0, "profile.activity": 0},
    "dead_letters": {},
    "tallies": {},
    "id": ID,
    "job_id": "j",
    "state": "done",
    **dict.fromkeys(("more", "answered"), False),
    "number": 1,
    "version": 1,
    "status": "ready",
    "members": 0,
    "upcoming": None,
    "replayed_at": None,
    "url": "http://127.0.0.1/s/x",
    "write_key": "rk_x",
}


class Recorder(ThreadingHTTPServer):
    """Answers everything alike, and notes (service, method, path); the service begins the path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: set[tuple[str, str, str]] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        service, _, path = self.path.partition("?")[0].lstrip("/").partition("/")
        self.server.calls.add((service, self.command, f"/{path}"))
        content = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names http.server looks for

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    server = Recorder()
    (thread := Thread(target=server.serve_forever, args=(0.01,), daemon=True)).start()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.json").write_text('{"events": []}')
    (tmp_path / "holidays.ics").write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    files = (
        'rules:{} contacts:{"caps":[]} paces:{"paces":[]} pools:{"rules":[]} '
        'guards:{"traits":[]} topics:{"topics":[]} traits:{"traits":{}} kinds:{"kinds":{}} '
        'consents:{"purposes":{}} timeline:{"classes":[]} calendar:{} policy:{} desk:{} '
        'asked:{"any_survey_days":30} topic:{}'
    )
    for name, _, text in (one.partition(":") for one in files.split()):
        (tmp_path / f"{name}.json").write_text(text)
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path))
    monkeypatch.setenv("RAPPORT_SECRET", "a-secret-of-at-least-thirty-two-characters")
    for service in SERVICES:
        url = f"http://127.0.0.1:{server.server_port}/{service}"
        monkeypatch.setenv(f"RAPPORT_{service.upper()}_URL", url)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def commands(group: Any, before: str = "") -> dict[str, set[str]]:
    """The commands under a group, each with its options."""
    found: dict[str, set[str]] = {}
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            found |= commands(one, f"{before}{name} ")
        else:
            found[before + name] = {option for each in one.params for option in each.opts}
    return found


def typed() -> Iterator[list[str]]:
    """Every command once, or once for each service that it is for."""
    for name, rest in ARGUMENTS.items():
        yield [*name.split(), *rest]
    for services, table in (
        (CONSUMERS, OF_CONSUMERS),
        (("ingest", "profile", "segment", "campaign", "feedback"), OF_JOBS),
        (("profile", "segment", "feedback"), OF_DUE),
        (("campaign", "segment", "feedback"), OF_RETENTION),
    ):
        for name, rest in table.items():
            for service in services:
                yield [*name.split(), *rest, "--service", service]
    for service in ("profile", "segment", "feedback"):
        yield ["due", "retry", "--all", "--service", service]
    yield ["plan", "push", "file.json", "--source", "s", "--dry-run"]
    yield ["profile", "show", *PERSON]
    yield ["outcome-webhook", "replay", ID, "--delivery", "msg_1"]
    yield ["feedback-webhook", "replay", ID, "--delivery", "msg_1"]
    yield ["webhook", "replay", ID, "--delivery", "msg_1"]


def test_every_command_is_tried_and_takes_json() -> None:
    known = commands(command())
    tried = {*ARGUMENTS, *OF_CONSUMERS, *OF_DUE, *OF_JOBS, *OF_RETENTION}
    assert known.keys() == {*tried, *WITHOUT_A_CALL}
    without = {name for name, options in known.items() if "--json" not in options}
    assert without == WITHOUT_JSON


def test_every_operation_has_a_command(
    recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    program = command()
    known = commands(program)
    for line in typed():
        name = next(one for one in known if line[: len(one.split())] == one.split())
        as_json = ["--json"] if "--json" in known[name] else []
        # These wait for more than this server has to say.
        with suppress(CliError) if name in {"debug", "case watch"} else nullcontext():
            program([*line, *as_json], standalone_mode=False)
    capsys.readouterr()
    missing = []
    for service in SERVICES:
        for path, method in operations(document_of(service)):
            shape = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
            called = any(
                (one, verb) == (service, method) and shape.fullmatch(at)
                for one, verb, at in recorder.calls
            )
            if not called and (service, method, path) not in TWICE:
                missing.append((service, method, path))
    assert missing == []


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and method of the operations that are an operator's."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            credentials = {name for one in operation.get("security", ()) for name in one}
            for_senders = credentials and all(FOR_SENDERS in name for name in credentials)
            if not (NO_COMMAND.keys() & set(operation.get("tags", ())) or for_senders):
                yield path, method.upper()
