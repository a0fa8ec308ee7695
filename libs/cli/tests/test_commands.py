"""The commands as users type them, against an HTTP server that keeps to the services' contract."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from typing_extensions import override

from rapport_cli.__main__ import main
from rapport_cli.config import SERVICES

SECRET = "a-secret-of-at-least-thirty-two-characters"


class Done(NamedTuple):
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Rapport = Callable[..., Done]


class Answers(ThreadingHTTPServer):
    """Serves `answers[method and path]` as (status, JSON body) and notes every call."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.calls: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        is_json = self.headers.get("Content-Type") == "application/json"
        body = json.loads(sent) if is_json else sent.decode() or None
        self.server.calls.append((self.command, self.path, body))
        missing = (404, {"code": "not_found", "message": f"no {self.path}", "details": {}})
        key = f"{self.command} {self.path.partition('?')[0]}"
        status, answer = self.server.answers.get(key, missing)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names http.server looks for

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Answers]:
    answers = Answers()
    thread = Thread(target=answers.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield answers
    answers.shutdown()
    answers.server_close()
    thread.join()


@pytest.fixture
def rapport(
    server: Answers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Rapport:
    """Call the command line as its own process would, in this one: that is thirty times faster."""
    for name in [name for name in os.environ if name.startswith("RAPPORT_")]:
        monkeypatch.delenv(name)
    for service in SERVICES:
        monkeypatch.setenv(f"RAPPORT_{service.upper()}_URL", server.url)
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path))
    monkeypatch.setenv("RAPPORT_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "stdin", StringIO())
        monkeypatch.setattr(sys, "argv", ["rapport", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return call


PROFILE = {
    "profile_id": "p-1",
    "version": 3,
    "identifiers": [{"kind": "email", "value": "ada@example.com"}],
    "traits": {"name": "Ada [bold]L."},
    "computed": {"events": 2, "orders": 1, "revenue": {"USD": "12.30"}, "open_cases": 0},
    "consent": [],
}


def test_a_profile_is_shown_with_what_it_holds(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/profiles"] = (200, PROFILE)
    done = rapport("profile", "show", "email", "ada@example.com")
    assert done.returncode == 0, done.stderr
    for text in ("ada@example.com", "Ada [bold]L.", "USD 12.30", "p-1"):
        assert text in done.stdout


def test_the_timeline_is_asked_for_by_the_profiles_id(rapport: Rapport, server: Answers) -> None:
    event = {"timestamp": "1997-01-01T00:00:00Z", "type": "track", "name": "Order Completed"}
    server.answers["GET /v1/profiles"] = (200, PROFILE)
    server.answers["GET /v1/profiles/p-1/timeline"] = (200, {"events": [event]})
    done = rapport("profile", "timeline", "user_id", "00001", "--limit", "5")
    assert "Order Completed" in done.stdout
    assert server.calls[-1][1] == "/v1/profiles/p-1/timeline?limit=5"


def test_an_id_with_odd_characters_stays_one_path_segment(
    rapport: Rapport, server: Answers
) -> None:
    server.answers["GET /v1/events/a%2Fb%3F%20c"] = (200, {"message_id": "a/b? c"})
    assert "a/b? c" in rapport("event", "a/b? c").stdout


def test_a_rule_comes_from_a_file_or_the_line(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    rule = {"computed": "orders", "op": "gte", "value": 2}
    (tmp_path / "rule.json").write_text(json.dumps(rule))
    server.answers["POST /v1/segments/preview"] = (200, {"count": 7, "of": 9})
    for given in (json.dumps(rule), "@rule.json"):
        assert rapport("segment", "preview", given).stdout == "7 of 9 people.\n"
        assert server.calls[-1][2] == {"rule": rule}


def test_json_is_for_programs(rapport: Rapport, server: Answers) -> None:
    answer = {"segments": [{"id": "s-1", "name": "Best", "version": 1, "members": 734}]}
    server.answers["GET /v1/segments"] = (200, answer)
    assert json.loads(rapport("segment", "list", "--json").stdout) == answer


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("segment", "preview", "{"), "The rule is not JSON"),
        (("segment", "preview", "[]"), "must be a JSON object"),
        (("segment", "preview", "@nowhere.json"), "nowhere.json can't be read"),
        (("position", "show", "--service", "billing"), "There is no service 'billing'"),
        (("profile", "show", "email", "x@example.com"), "Nobody has email 'x@example.com'"),
        (("mail", "list"), "There is no Maildir"),
        (("campaign", "show", "c-1"), "campaign (404): no /v1/campaigns/c-1"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(
    rapport: Rapport, arguments: tuple[str, ...], text: str
) -> None:
    done = rapport(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert text in done.stderr


def test_a_service_that_is_away_is_named(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_FEEDBACK_URL", "http://127.0.0.1:1")
    done = rapport("case", "list")
    assert done.returncode == 1
    assert "feedback does not answer at http://127.0.0.1:1" in done.stderr
    assert "make up" in done.stderr


def test_something_else_on_the_port_is_told(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/sources"] = (200, b"<html>")
    assert "did not answer in JSON" in rapport("source", "list").stderr


def test_a_reset_asks_first(rapport: Rapport, server: Answers) -> None:
    server.answers["POST /v1/positions/reset"] = (200, {})
    where = ("--service", "profile", "--topic", "events", "--partition", "3", "--offset", "9")
    assert rapport("position", "reset", *where).returncode == 1
    assert not server.calls
    done = rapport("position", "reset", *where, "--yes")
    assert done.returncode == 0, done.stderr
    assert server.calls[-1][2] == {"topic": "events", "partition": 3, "next_offset": 9}


def _ledger(**changes: Any) -> dict[str, Any]:
    """One answer that suits every service."""
    counts = dict.fromkeys(("planned", "sending", "failed", "suppressed", "uncertain"), 0)
    sound = {
        "received": 5,
        "accepted": 4,
        "rejected": 1,
        "spooled_now": 0,
        "topic": {"end_offsets_total": 4},
        "consumed": {"events": 4, "profile.activity": 4},
        "dead_letters": {"events": 1},
        "tallies": {"profiled": 3},
        **counts,
        "sent": 2,
        "planned_total": 2,
    }
    return {**sound, **changes}


def test_a_sound_ledger_verifies(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/ledger"] = (200, _ledger())
    done = rapport("ledger", "verify")
    assert done.returncode == 0, done.stdout
    assert "5 = 4 + 1" in done.stdout
    assert "BROKEN" not in done.stdout


def test_a_breach_is_shown_and_fails(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/ledger"] = (200, _ledger(accepted=5))
    done = rapport("ledger", "verify", "--wait", "0")
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    shown = json.loads(rapport("ledger", "verify", "--wait", "0", "--json").stdout)
    assert not shown["ok"]
    assert {one["name"] for one in shown["equations"] if not one["ok"]} == {"received", "kept"}


def test_sending_is_waited_out(rapport: Rapport, server: Answers, tmp_path: Path) -> None:
    server.answers["GET /v1/ledger"] = (200, _ledger(sending=1, planned_total=3))
    began = time.monotonic()
    rapport("ledger", "verify", "--wait", "1")
    assert time.monotonic() - began >= 1


JOB = {
    "id": "j-1",
    "kind": "import",
    "source": "crm",
    "state": "done",
    "error": None,
    "done": 2,
    "accepted": 2,
    "rejected": 0,
    "created_at": "2026-01-01T00:00:00Z",
    "report": {"events": 2},
}
REFUSED = {
    **JOB,
    "accepted": 1,
    "rejected": 1,
    "report": {"errors": [{"row": 2, "code": "no_identifier", "path": "userId", "message": "No."}]},
}


def serve_import(server: Answers, job: dict[str, Any]) -> None:
    server.answers["POST /v1/imports"] = (201, {**JOB, "state": "uploading"})
    server.answers["GET /v1/imports/j-1/file"] = (200, {"offset": 2})
    server.answers["PUT /v1/imports/j-1/file"] = (200, {"offset": 9, "state": "queued"})
    server.answers["GET /v1/jobs/j-1"] = (200, job)


def test_a_file_is_mapped_uploaded_from_where_it_was_and_followed(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    serve_import(server, JOB)
    (tmp_path / "c.csv").write_text("id\n1\n22\n3")
    given = "import c.csv --source crm --type identify --map userId=id --option delimiter=; "
    given += "--option header=true --party third --provider X --legal-basis consent --dry-run"
    done = rapport(*given.split())
    assert done.returncode == 0, done.stderr
    spec = server.calls[0][2]
    assert spec["mapping"] == {"type": "identify", "fields": {"userId": "id"}}
    assert spec["options"] == {"delimiter": ";", "header": True}
    assert (spec["party"], spec["provider"], spec["dry_run"]) == ("third", "X", True)
    assert ("PUT", "/v1/imports/j-1/file", "\n1\n22\n3") in server.calls


def test_refused_rows_are_shown_and_end_with_one(
    rapport: Rapport, server: Answers, tmp_path: Path
) -> None:
    serve_import(server, REFUSED)
    done = rapport("import", "--s3", "s3://b/c.csv", "--source", "crm", "--preset", "pos")
    assert done.returncode == 1
    assert "no_identifier" in done.stdout
    assert not any(method == "PUT" for method, _, _ in server.calls)


def test_a_failed_job_says_why(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/jobs/j-1"] = (200, {**JOB, "state": "failed", "error": "It is empty."})
    done = rapport("job", "show", "j-1", "--wait")
    assert (done.returncode, "It is empty." in done.stderr) == (1, True)


def test_jobs_are_listed_and_cancelled(rapport: Rapport, server: Answers) -> None:
    server.answers["GET /v1/jobs"] = (200, {"jobs": [JOB]})
    server.answers["POST /v1/jobs/j-1/cancel"] = (200, JOB)
    assert "j-1" in rapport("job", "list", "--kind", "import").stdout
    assert "2 rows" in rapport("job", "cancel", "j-1").stdout


def test_an_import_needs_a_file_and_a_source(rapport: Rapport, server: Answers) -> None:
    for given in (["import"], ["import", "c.csv"], ["import", "c.csv", "--source", "crm"]):
        done = rapport(*given)
        assert done.returncode == 1
        assert done.stderr.startswith(("error:", "The upload"))
