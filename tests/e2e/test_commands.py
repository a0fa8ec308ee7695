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
from typing_extensions import override

from rapport_cli.__main__ import command
from rapport_cli.config import SERVICES
from rapport_cli.errors import CliError

ID = "00000000-0000-7000-8000-000000000001"
PERSON = ["email", "someone@example.com"]
DRAFT = '{"name": "x"}'
CONSUMERS = ("ingest", "profile", "segment", "campaign", "feedback")
OF_CONSUMERS = {
    "position list": [],
    "position reset": ["--topic", "events", "--partition", "0", "--offset", "0", "--yes"],
    "position resume": [],
    "dead-letter list": [],
    "dead-letter replay": ["1"],
    "parked list": [],
    "parked records": ["1"],
    "parked release": ["1"],
    "parked discard": ["1", "--yes"],
    "outbox refused list": [],
    "outbox refused retry": ["1"],
    "outbox refused discard": ["1", "--yes"],
}
OF_DUE: dict[str, list[str]] = {
    "due list": [],
    "due retry": ["k", "1"],
    "due discard": ["k", "1", "--yes"],
}
OF_JOBS: dict[str, list[str]] = {"job list": [], "job show": ["j"], "job cancel": ["j"]}
OF_RETENTION: dict[str, list[str]] = {
    "retention gone": [],
    "retention history": [],
    "retention preview": ["contents=365"],
    "retention set": ["contents=365", "--reason", "why"],
    "retention show": [],
}
# What a person types after each command.
ARGUMENTS: dict[str, list[str]] = {
    "audience archive": [ID],
    "audience build": [ID],
    "audience create": ["Best", ID, "google"],
    "audience fetch": [ID, "best.csv"],
    "audience files": [ID],
    "audience list": [],
    "audience show": [ID],
    "brand set": ["--name", "Shop"],
    "brand show": [],
    "broadcast again": [ID],
    "broadcast approve": [ID],
    "broadcast cancel": [ID],
    "broadcast create": [DRAFT],
    "broadcast dry-run": [ID],
    "broadcast history": [ID],
    "broadcast list": [],
    "broadcast pause": [ID],
    "broadcast people": [ID, "j"],
    "broadcast resume": [ID],
    "broadcast runs": [ID],
    "broadcast schedule": [ID],
    "broadcast set": [ID, DRAFT],
    "broadcast show": [ID],
    "campaign archive": [ID],
    "campaign create": [DRAFT],
    "campaign list": [],
    "campaign messages": [ID],
    "campaign pause": [ID],
    "campaign resume": [ID],
    "campaign set": [ID, DRAFT],
    "campaign settle": [ID, "--state", "failed", "--reason", "the log"],
    "campaign show": [ID],
    "campaign start": [ID],
    "campaign test": [ID, "someone@example.com"],
    "campaign uncertain": [],
    "campaign why": [ID, *PERSON],
    "campaign why-message": ["k"],
    "case answer": ["c"],
    "case close": ["c"],
    "case create": ["Late", "Very", "--user-id", "u"],
    "case list": [],
    "case move": ["c", "closed"],
    "case reopen": ["c"],
    "case show": ["c"],
    "catalogue list": [],
    "catalogue show": ["Paid", "--source", "s"],
    "consent list": PERSON,
    "consent link": [*PERSON, "someone@example.com", "--reason", "why"],
    "consent note": [*PERSON, "someone@example.com", "denied", "--reason", "why"],
    "consent why": [*PERSON, "someone@example.com"],
    "consent words": PERSON,
    "contact-rules history": [],
    "contact-rules set": ["contacts.json", "--reason", "why"],
    "contact-rules show": [],
    "coupon-pool archive": ["summer"],
    "coupon-pool create": ["summer"],
    "coupon-pool import": ["summer", "file.json"],
    "coupon-pool list": [],
    "coupon-pool set": ["summer", "--low-below", "5"],
    "coupon-pool show": ["summer"],
    "debug": ["s"],
    "duplicates dismiss": [ID, "--reason", "why"],
    "duplicates find": [],
    "duplicates list": [],
    "duplicates merge": [ID, "--reason", "why", "--dry-run"],
    "duplicates show": [ID],
    "event": ["m"],
    "feed archive": ["weather"],
    "feed list": [],
    "feed set": ["weather", '{"address": "https://a.example", "kind": "run"}'],
    "feed show": ["weather"],
    "feed try": ["weather"],
    "feed-hosts set": ["a.example"],
    "feed-hosts show": [],
    "group add": ["company", "acme", *PERSON, "--reason", "why"],
    "group archive": ["company", "acme", "--reason", "why"],
    "group create": ["company", "acme", "--reason", "why"],
    "group list": [],
    "group members": ["company", "acme"],
    "group of": PERSON,
    "group remove": ["company", "acme", *PERSON, "--reason", "why"],
    "group rules history": [],
    "group rules set": ["kinds.json", "--reason", "why"],
    "group rules show": [],
    "group set": ["company", "acme", "{}", "--reason", "why"],
    "group show": ["company", "acme"],
    "import": ["file.json", "--source", "s"],
    "ledger verify": ["--wait", "0"],
    "list add": [ID, *PERSON],
    "list archive": [ID],
    "list create": ["VIP"],
    "list list": [],
    "list members": [ID],
    "list refused": [ID, "j"],
    "list remove": [ID, *PERSON],
    "list set": [ID, "VIP"],
    "list show": [ID],
    "list upload": [ID, "file.json"],
    "loyalty adjust": [*PERSON, "-5", "--reason", "why"],
    "loyalty enrol": [*PERSON, "--reason", "why"],
    "loyalty entries": PERSON,
    "loyalty leave": [*PERSON, "--reason", "why"],
    "loyalty programme backfill": ["2024-01-01T00:00:00Z", "--reason", "why"],
    "loyalty programme history": [],
    "loyalty programme set": ["file.json", "--reason", "why"],
    "loyalty programme show": [],
    "loyalty redemption cancel": [ID],
    "loyalty redemption confirm": [ID],
    "loyalty redemption create": [*PERSON, "5", "--reason", "why"],
    "loyalty redemption reverse": [ID],
    "loyalty redemption show": [ID],
    "loyalty show": PERSON,
    "mail-paces history": [],
    "mail-paces set": ["paces.json", "--reason", "why"],
    "mail-paces show": [],
    "mail-paces standing": [],
    "message prices": [ID],
    "offer archive": ["summer"],
    "offer history": ["summer"],
    "offer list": [],
    "offer quote": ["summer", "--sku", "TEA", "--channel", "store"],
    "offer quoted": ["summer", ID],
    "offer set": ["summer", DRAFT, "--reason", "why"],
    "offer show": ["summer"],
    "price-guards history": [],
    "price-guards set": ["guards.json", "--reason", "why"],
    "price-guards show": [],
    "mail-pools history": [],
    "mail-pools set": ["pools.json", "--reason", "why"],
    "mail-pools show": [],
    "merge-rules history": [],
    "merge-rules preview": ["rules.json"],
    "merge-rules set": ["rules.json", "--reason", "why"],
    "merge-rules show": [],
    "message send": [DRAFT],
    "message show": ["m"],
    "opt-in create": [*PERSON, "someone@example.com", "--reason", "why"],
    "opt-in list": [],
    "opt-in show": ["o"],
    "plan archive": ["--source", "s"],
    "plan draft": ["--source", "s"],
    "plan push": ["file.json", "--source", "s"],
    "plan show": ["--source", "s"],
    "plan violations": [],
    "hook add": ["standard"],
    "hook list": [],
    "hook remove": [ID],
    "outcome list": [],
    "outcome-webhook archive": [ID],
    "outcome-webhook create": ["https://shop.example.com/outcomes"],
    "outcome-webhook deliveries": [ID],
    "outcome-webhook list": [],
    "outcome-webhook replay": [ID],
    "outcome-webhook rotate": [ID],
    "outcome-webhook set": [ID, "--no-active"],
    "outcome-webhook show": [ID],
    "policy set": ["--unconfirmed-consent", "allow"],
    "policy show": [],
    "privacy access ask": [*PERSON, "--reason", "why"],
    "privacy access download": [ID, "all.jsonl"],
    "privacy access list": [],
    "privacy access show": [ID],
    "privacy erase": [*PERSON, "--reason", "why", "--yes"],
    "privacy keys": [],
    "privacy list": [],
    "privacy rectification lift": [ID, "--reason", "why"],
    "privacy rectification list": [],
    "privacy rectification set": [*PERSON, "city=Leeds", "nickname:=null", "--reason", "why"],
    "privacy rectification show": [ID],
    "privacy restraint lift": [ID, "--reason", "why"],
    "privacy restraint list": [],
    "privacy restraint set": [*PERSON, "marketing", "--reason", "why"],
    "privacy restraint show": [ID],
    "privacy show": [ID],
    "profile computed adopt": ["--reason", "why"],
    "profile computed archive": ["t", "--reason", "why"],
    "profile computed fill": ["t"],
    "profile computed history": ["t"],
    "profile computed list": [],
    "profile computed preview": ["{}", *PERSON],
    "profile computed set": ["t", "{}", "--reason", "why"],
    "profile computed shipped": [],
    "profile computed show": ["t"],
    "profile cut": ["s", "m", "--reason", "why"],
    "profile decisions": [],
    "profile export": ["people.csv"],
    "profile identifiers": PERSON,
    "profile keep-apart": [*PERSON, *PERSON, "--reason", "why"],
    "profile links": PERSON,
    "profile lookup": ["file.json"],
    "profile merge": [*PERSON, *PERSON, "--reason", "why", "--dry-run"],
    "profile readings": PERSON,
    "profile rebuild": [],
    "profile reindex": ["--wait"],
    "profile republish": ["--wait"],
    "profile scores": PERSON,
    "profile search": ["ada"],
    "profile clear-point": ["email", "someone@example.com", "--reason", "why"],
    "profile show": ["id", ID],
    "profile stats": [],
    "profile timeline": PERSON,
    "profile traits": PERSON,
    "profile trait-history": [*PERSON, "plan"],
    "profile undo": [ID, "--reason", "why"],
    "profile why": [*PERSON, *PERSON],
    "trait list": [],
    "quality measure": [],
    "quality show": [],
    "quarantine balance": [],
    "quarantine discard": ["--yes"],
    "quarantine export": [],
    "quarantine list": [],
    "quarantine repair": [],
    "quarantine show": ["1"],
    "quarantine summary": [],
    "replay quarantine": [],
    "replay topic": [],
    "segment archive": [ID],
    "segment create": ["Best", DRAFT],
    "segment export": [ID, "members.csv"],
    "segment diff": [ID, "2"],
    "segment import": ["customerio", "{}"],
    "segment library adopt": ["one_time_buyers"],
    "segment library list": [],
    "segment library show": ["one_time_buyers"],
    "segment list": [],
    "segment members": [ID],
    "segment overlap": [ID, ID],
    "segment preview": [DRAFT],
    "segment rebuild": [ID],
    "segment rollback": [ID, "1"],
    "segment rfm adopt": [],
    "segment rfm run": [],
    "segment rfm set": [DRAFT],
    "segment rfm show": [],
    "segment schema": [],
    "segment set": [ID, "--name", "Worst"],
    "segment show": [ID],
    "segment sizes": [ID],
    "segment versions": [ID],
    "segment why": [ID, *PERSON],
    "inbox list": ["p"],
    "inbox put": ["p", "Hello"],
    "inbox remove": [ID],
    "inbox token": ["p"],
    "provider check": [ID],
    "provider create": [DRAFT],
    "provider list": [],
    "provider remove": [ID],
    "provider set": [ID, DRAFT],
    "provider show": [ID],
    "provider test": [ID, "+4915112345678", '{"text": "x"}'],
    "provider vendors": [],
    "sender-domain add": ["shop.example.com"],
    "sender-domain check": ["shop.example.com"],
    "sender-domain list": [],
    "sender-domain remove": ["shop.example.com"],
    "sender-domain rotate": ["shop.example.com"],
    "sender-domain show": ["shop.example.com"],
    "sms preview": ["Hello"],
    **{f"product {one}": ["hat"] for one in ("archive", "show")},
    "product import": ["file.json"],
    "product mark": ["hat", "--no-in-stock"],
    "product set": ["hat", DRAFT],
    **{one: [] for one in ("product list", "recommendation list", "recommender show")},
    **{f"recommendation {one}": ["home"] for one in ("archive", "set", "show")},
    "recommendation for": ["home", *PERSON],
    "recommendation said": ["k"],
    "recommender archive": [],
    "recommender set": ["https://picks.example.com/"],
    "snippet archive": ["footer"],
    "snippet create": ["footer", "<p>x</p>"],
    "snippet list": [],
    "snippet set": ["footer", "<p>y</p>", "--reason", "why"],
    "snippet show": ["footer"],
    "snippet versions": ["footer"],
    "source block": ["till"],
    "source blocked": [],
    "source counts": ["s"],
    "source create": ["s"],
    "source key": ["s", "--kind", "web"],
    "source keys": ["s"],
    "source list": [],
    "source revoke": ["s", "k"],
    "source rotate": ["s"],
    "source set": ["s", "ip=drop"],
    "source show": ["s"],
    "source unblock": ["till"],
    "spool refused discard": ["1", "--yes"],
    "spool refused list": [],
    "spool refused retry": ["1"],
    "suppression add": ["someone@example.com", "--reason", "why"],
    "suppression export": ["suppressions.csv"],
    "suppression import": ["file.json", "--reason", "why"],
    "suppression list": [],
    "suppression refused": ["j"],
    "suppression remove": ["someone@example.com", "--reason", "why"],
    "survey archive": ["s"],
    "survey create": ["After", "How?"],
    "survey invite": ["s", "--user-id", "u"],
    "survey list": [],
    "survey score": ["s"],
    "survey set": ["s", "--name", "x"],
    "survey show": ["s"],
    "survey wave": ["s"],
    "task claim": [],
    "task done": [ID, "reached"],
    "task export": ["tasks.csv"],
    "task list": [],
    "task show": [ID],
    "template archive": [ID],
    "template create": [DRAFT],
    "template list": [],
    "template preview": [ID],
    "template set": [ID, DRAFT, "--reason", "why"],
    "template show": [ID],
    "template versions": [ID],
    "template warnings": [ID, ID],
    "timeline-rules history": [],
    "timeline-rules set": ["timeline.json", "--reason", "why"],
    "timeline-rules show": [],
    "consent-rules history": [],
    "consent-rules set": ["consents.json", "--reason", "why"],
    "consent-rules show": [],
    "trait-rules history": [],
    "trait-rules set": ["traits.json", "--reason", "why"],
    "trait-rules show": [],
    "topics history": [],
    "topics set": ["topics.json", "--reason", "why"],
    "topics show": [],
    "webhook archive": [ID],
    "webhook create": ["https://shop.example.com/hook"],
    "webhook deliveries": [ID],
    "webhook list": [],
    "webhook replay": [ID],
    "webhook rotate": [ID],
    "webhook set": [ID, "--no-active"],
    "webhook show": [ID],
}
# Commands that ask no operator route: a file, the secret, or the route of events.
WITHOUT_A_CALL = {"keys", "mail list", "mail show", "replay file", "token"}
# What they print is JSON, or a mail, as it is.
WITHOUT_JSON = {
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
    "consent-rules show",
    "trait-rules show",
    "topics show",
}
# Groups of routes that programs and customers use, and no operator.
NO_COMMAND = {
    "health": "orchestrators ask these; `make status` does for people",
    "pages": "customers open them",
    "sdk": "SDKs ask for their settings",
}
TWICE = {("campaign", "GET", "/v1/brand"): "`brand set` keeps it the same as feedback's"}
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
    "choices": [],
    "notes": [],
    "clamps": [],
    "prices": [],
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
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.json").write_text('{"events": []}')
    (tmp_path / "rules.json").write_text("{}")
    (tmp_path / "contacts.json").write_text('{"caps": []}')
    (tmp_path / "paces.json").write_text('{"paces": []}')
    (tmp_path / "guards.json").write_text('{"traits": []}')
    (tmp_path / "topics.json").write_text('{"topics": []}')
    (tmp_path / "traits.json").write_text('{"traits": {}}')
    (tmp_path / "kinds.json").write_text('{"kinds": {}}')
    (tmp_path / "consents.json").write_text('{"purposes": {}}')
    (tmp_path / "timeline.json").write_text('{"classes": []}')
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
        (("ingest", "profile", "segment", "campaign"), OF_JOBS),
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
        # `debug` waits for more than this server has to say.
        with suppress(CliError) if name == "debug" else nullcontext():
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
