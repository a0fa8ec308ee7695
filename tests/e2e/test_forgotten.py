"""Somebody is told all that is known, and forgotten everywhere: by what was planted of them."""

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from tests.support import ledger
from tests.support.database import Database
from tests.support.waiting import HANG_SECONDS, until
from tests.support.workspace import Workspace, orders

pytestmark = pytest.mark.e2e

SERVICES = ("ingest", "profile", "segment", "campaign", "feedback")
NOT_LOOKED_AT = ("kafka", "postgres", "mail")
"""Kafka's and Postgres' own files, and the mailbox: that is the person's."""


class Canary:
    """A person whose every word is `mark`, or holds it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.mark = f"canary{secrets.token_hex(5)}"
        self.email = f"{self.mark}@example.com"
        self.phone = f"+49170{secrets.randbelow(10**7):07d}"
        self.words = (self.mark, self.phone, self.phone.lstrip("+"))

    def is_known(self) -> str | None:
        """The id of their profile."""
        person = self.workspace.profile("email", self.email)
        return None if person is None else str(person["id"])

    def found(self, database: Database) -> list[str]:
        """Where in the five schemas they still are: table and row."""
        places: list[str] = []
        looked = [one for word in self.words for one in (word, word.encode().hex())]
        for schema, table in _tables(database):
            rows = database.column(
                f'SELECT CAST(t AS text) FROM "{schema}"."{table}" t '
                "WHERE lower(CAST(t AS text)) LIKE ANY($1::text[])",
                [f"%{one}%" for one in looked],
            )
            places += [f"{schema}.{table}: {row[:300]}" for row in rows]
        return places

    def in_files(self, root: Path) -> list[str]:
        """Which files still speak of them."""
        looked = [one.encode() for one in self.words]
        return [
            str(path)
            for path in sorted(root.rglob("*"))
            if path.relative_to(root).parts[0] not in NOT_LOOKED_AT and path.is_file()
            if any(one in path.read_bytes().lower() for one in looked)
        ]


def _tables(database: Database) -> Iterator[tuple[str, str]]:
    rows = database.rows(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2",
        list(SERVICES),
    )
    assert len(rows) > 50, "all schemas are looked at"
    yield from ((row[0], row[1]) for row in rows)


@pytest.fixture
def database(workspace: Workspace) -> Iterator[Database]:
    with Database(workspace.stack) as opened:
        yield opened


def _sent_to(one: Canary) -> str:
    """Events, a segment, a campaign and its mail; the campaign."""
    workspace = one.workspace
    note = {"aggregate": "last", "kind": "text", "value": {"property": "note"}}
    definition = {**note, "events": [{"event": "Order Completed"}]}
    asked = {"definition": definition, "version": 0, "reason": "a canary"}
    workspace.put("profile", "/v1/computed-traits/last_note", asked)
    campaign = workspace.campaign(workspace.segment("Buyers", orders(1)))
    traits = {"email": one.email, "phone": one.phone, "name": f"Ada {one.mark}"}
    workspace.send("identify", userId=one.mark, anonymousId=f"anon-{one.mark}", traits=traits)
    workspace.send(
        "track",
        userId=one.mark,
        event="Order Completed",
        properties={"total": "12.30", "currency": "USD", "note": f"for {one.mark}"},
        context={"traits": {"email": one.email}},
    )
    house = {"groupType": "household", "owner": one.email, "size": 2, "groupRole": one.mark}
    workspace.send("group", userId=one.mark, groupId=one.mark, traits=house)
    workspace.send("group", userId=one.mark, groupId="acme", traits={"contact": one.email})
    workspace.wait_mail()
    until("the mail in the ledger", lambda: workspace.counts(campaign)["sent"] == 1)
    return campaign


def _said_by(one: Canary, other: Canary) -> None:
    """A survey is answered, a case opened, in whose notes somebody else is named, too."""
    workspace = one.workspace
    body = {"name": "Survey", "kind": "nps", "question": "Would you recommend us?"}
    survey = workspace.post("feedback", "/v1/surveys", body)["id"]
    who = {"user_id": one.mark, "email": one.email}
    url = workspace.post("feedback", f"/v1/surveys/{survey}/invitations", who)["url"]
    said = {"score": "2", "comment": f"says {one.mark}"}
    assert httpx.post(url, data=said, timeout=HANG_SECONDS).status_code == 200
    complaint = {"user_id": one.mark, "email": one.email, "subject": f"Of {one.mark}", "body": "x"}
    case = workspace.post("feedback", "/v1/cases", complaint)["id"]
    note = f"called {one.mark}, not {other.email} or {other.phone}"
    change = {"state": "acknowledged", "note": note}
    workspace.post("feedback", f"/v1/cases/{case}/state", change)
    workspace.wait_named(one.mark, "Case Opened")


def _allowed_by(one: Canary, profile: str) -> None:
    """Words on consents: by a source, an operator, and the person on the page of preferences."""
    workspace = one.workspace
    point = {"contact_point": one.email, "channel": "email"}
    said = {**point, "purpose": "survey", "state": "granted", "evidence": f"form of {one.mark}"}
    ends = {"expires_at": "2099-01-01T00:00:00Z"}
    workspace.send("track", userId=one.mark, event="Consent Updated", properties=said | ends)
    word = {**point, "state": "granted", "reason": f"told me so, {one.mark}"}
    workspace.post("profile", f"/v1/profiles/{profile}/consents", word)
    link = {"profile_id": profile, "address": one.email, "reason": f"for {one.mark}"}
    url = workspace.post("campaign", "/v1/preference-links", link)["url"]
    (form,) = set(
        re.findall(r'name="form" value="([^"]+)"', httpx.get(url, timeout=HANG_SECONDS).text)
    )
    assert (
        httpx.post(url, data={"form": form, "nothing": "1"}, timeout=HANG_SECONDS).status_code
        == 200
    )
    workspace.post("campaign", "/v1/opt-ins", link)
    path = f"/v1/profiles/{profile}/consents/words"
    until("four words", lambda: len(workspace.get("profile", path)["items"]) == 4)


def _refused_of(one: Canary, *, imports: bool = True) -> None:
    """Events in the quarantine, some of them of an import."""
    workspace = one.workspace
    url = f"{workspace.stack.url('ingest')}/v1/batch"
    bad = {"type": "track", "messageId": f"bad-{one.mark}", "traits": {"email": one.email}}
    looser = {"type": "trakc", "messageId": "bad-2", "userId": one.mark, "event": "x"}
    answer = workspace.sender.post(url, json={"batch": [bad, looser]}).json()
    assert answer["rejected"] == 2, answer
    if not imports:
        return
    workspace.post("ingest", "/v1/sources", {"name": "files", "kind": "import"})
    mapping = {"type": "identify", "fields": {"userId": "id", "traits.email": "email"}}
    spec = {"source": "files", "name": "people.csv", "mapping": mapping}
    job = workspace.post("ingest", "/v1/imports", spec)["id"]
    lines = f"id,email\n,{one.mark} at example\n{one.mark},{one.email}\n"
    path = f"{workspace.stack.url('ingest')}/v1/imports/{job}/file"
    assert workspace.operator.put(path, content=lines.encode()).is_success
    ended = ("done", "failed")
    until("the import", lambda: workspace.get("ingest", f"/v1/jobs/{job}")["state"] in ended)


def _member(one: Canary, profile: str) -> None:
    """Points for an order, and some that an operator gives."""
    workspace, path = one.workspace, f"/v1/profiles/{profile}/loyalty"
    club = {"name": "Club", "rules": [{"id": "spend", "per": {"USD": "1"}}]}
    body = {"programme": club, "version": 0, "since": "2020-01-01T00:00:00Z", "reason": "test"}
    address = f"{workspace.stack.url('profile')}/v1/loyalty/programme"
    assert workspace.operator.put(address, json=body).is_success
    gift = {"points": 5, "reason": f"for {one.mark}"}
    workspace.post("profile", f"{path}/adjustments", gift)

    def has_earned() -> bool:
        """By an order that was told when profile had heard of the programme."""
        said = {"order_id": one.mark, "total": "10", "currency": "USD"}
        workspace.send("track", userId=one.mark, event="Order Completed", properties=said)
        return bool(workspace.get("profile", path)["points"]["available"] == 15)

    until("the points", has_earned)


def _put_right(one: Canary) -> None:
    """What operators have put right of them."""
    who = {"identifier": {"kind": "email", "value": one.email}, "reason": "letter 4714"}
    right = {"traits": {"note": f"of {one.mark}"}, "evidence": f"seen by {one.mark}"}
    one.workspace.post("profile", "/v1/privacy/rectifications", {**who, **right})


def _put_aside(database: Database, one: Canary, profile: str) -> None:
    """What consumers and relays have put aside: as it is when something keeps failing."""
    value = f'{{"workspace":"{one.workspace.name}","text":"{one.mark}","id":"{one.email}"}}'
    value = f'{value[:-1]},"profile_id":"{profile}"}}'
    for number, schema in enumerate(SERVICES):
        database.run(
            f'INSERT INTO {schema}.dead_letter (grp, topic, partition, "offset", key, value, '
            "reason, workspace) VALUES ($1, 'made-up', 99, $2, 'k', $3, $4, $5)",
            *(schema, secrets.randbelow(10**9), value.encode(), one.mark, one.workspace.name),
        )
        database.run(
            f"INSERT INTO {schema}.outbox_refused (id, topic, key, value, workspace, reason, "
            "created_at) VALUES ($1, 'made-up', 'k', $2, $3, $4, now())",
            *(secrets.randbelow(10**9), value.encode(), one.workspace.name, one.mark),
        )
        key = f"{one.mark}-{number}".encode()
        database.run(
            f"INSERT INTO {schema}.parked_key (grp, topic, partition, key, workspace, reason, "
            "next_try_at) VALUES ($1, 'made-up', 99, $2, $3, $4, now() + interval '1 day')",
            *(schema, key, one.workspace.name, one.mark),
        )
        database.run(
            f'INSERT INTO {schema}.parked (grp, topic, partition, key, "offset", value) '
            "VALUES ($1, 'made-up', 99, $2, 1, $3)",
            *(schema, key, value.encode()),
        )


def _checked(workspace: Workspace, token: str) -> dict[str, Any]:
    """What a final receipt says, if the published key has signed it."""
    (key,) = workspace.get("profile", "/v1/privacy/keys")["keys"]
    return dict(jwt.decode(token, OKPKey.import_key(key), algorithms=["Ed25519"]).claims)


GROUPS = {"profile.group_profile", "profile.group_member", "profile.group_told"}
COPIES = {"profile.search", "segment.person", "segment.happening", "campaign.person", *GROUPS}
"""Of what profile tells."""


def _section(place: str) -> str:
    """Under which name of the file a table's rows are told."""
    table = place.partition(":")[0]
    return re.sub(r"_\d{4}_\d\d$|_key$", "", table)


def _on_its_way(places: list[str]) -> list[str]:
    """Those of the places that are outboxes."""
    return [place for place in places if ".outbox_batch:" in place]


def _told_all(one: Canary, other: Canary, database: Database) -> str:
    """Everything planted is in the file that they get, and nothing of who was planted beside."""
    workspace = one.workspace
    # Records that are on their way, such as that of the mail which asks for a yes, come to profile.
    until("that nothing is on its way", lambda: not _on_its_way(one.found(database)))
    # Before it is asked for: ingest's examples, for one, are written behind the events.
    planted = {_section(place) for place in one.found(database)}
    wish = {"identifier": {"kind": "email", "value": one.email}, "reason": "Article 15"}
    made = workspace.post("profile", "/v1/privacy/access", wish)
    path = f"/v1/privacy/access/{made['id']}"
    until("what all services tell", lambda: workspace.get("profile", path)["state"] == "ready")
    answer = workspace.operator.get(f"{workspace.stack.url('profile')}{path}/file")
    assert answer.is_success, answer.text
    said = [json.loads(line) for line in answer.text.splitlines()]
    sections: dict[str, str] = {}
    for line in said[1:]:
        sections[line["section"]] = sections.get(line["section"], "") + str(line.get("row", ""))
    looked = {section for section, rows in sections.items() if one.mark in rows}
    assert planted - looked <= COPIES
    assert {name.partition(".")[0] for name in looked} >= {"ingest", "profile", "campaign"}
    assert "segment.membership" in sections
    assert not [word for word in other.words if word in answer.text.lower()]
    return path


def test_all_is_told_and_nothing_is_left_of_somebody_who_is_forgotten(
    workspace: Workspace, database: Database
) -> None:
    one, other = Canary(workspace), Canary(workspace)
    _refused_of(one)
    _refused_of(other, imports=False)
    campaign = _sent_to(one)
    _said_by(one, other)
    profile = until("the person", one.is_known)
    _allowed_by(one, profile)
    _member(one, profile)
    _put_right(one)
    _put_aside(database, one, profile)
    workspace.send("identify", userId=other.mark, traits={"email": other.email})
    until("somebody else", other.is_known)
    assert len({place.partition(":")[0] for place in one.found(database)}) > 15
    told_path = _told_all(one, other, database)

    wish = {"identifier": {"kind": "email", "value": one.email}, "reason": "Article 17"}
    shown = workspace.post("profile", "/v1/privacy/erasures", {**wish, "dry_run": True})
    assert (shown["profile_id"], shown["identifiers"]) == (profile, 3)
    assert shown["would_remove"]["profile.timeline"] >= 5
    made = workspace.post("profile", "/v1/privacy/erasures", wish)
    path = f"/v1/privacy/erasures/{made['id']}"

    def done() -> dict[str, Any] | None:
        found = workspace.get("profile", path)
        return found if found["state"] == "done" else None

    told = until("the receipts of all services", done)
    assert workspace.get("profile", told_path)["state"] == "erased"
    assert one.found(database) == []
    assert one.in_files(workspace.stack.home.root) == []
    assert other.is_known()
    said = _checked(workspace, told["receipt"])
    assert (said["sub"], said["identifiers"]) == (made["id"], 3)
    assert set(said["services"]) == set(SERVICES)
    assert all(answer["rows"] for answer in said["services"].values()), said["services"]
    assert (one.mark in str(told), one.mark in str(said)) == (False, False)

    # Nothing is promised about who comes back, but that it is somebody new.
    assert workspace.counts(campaign)["sent"] == 1
    workspace.send("identify", userId=one.mark, traits={"email": one.email})
    assert until("the person who came back", one.is_known) != profile
    assert len(workspace.mails()) == 1
    assert ledger.broken(workspace.stack) == []
