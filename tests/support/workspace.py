"""One workspace of a running stack, as its operators, senders and recipients see it."""

import email
import email.policy
import secrets
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import httpx
from tests.support.loopback import NOBODY
from tests.support.waiting import HANG_SECONDS, until

from rapport_local.credentials import operator_token
from rapport_local.stack import Stack

CONNECT_RETRIES = 5
"""After 0, 0.5, 1, 2 and 4 s: longer than a service needs to come back after a kill (5 s)."""

SUBJECT = "A present for you"
HTML = """<p>Thank you for {{ profile.computed.orders }} orders.</p>
<p><a href="https://shop.example.com/present">Choose yours</a></p>"""


@dataclass
class Workspace:
    """HTTP clients with this workspace's credentials, and its mails."""

    stack: Stack
    name: str
    operator: httpx.Client
    sender: httpx.Client
    write_key: str = ""
    _mails: dict[Path, EmailMessage | None] = field(default_factory=dict)

    @classmethod
    def fresh(cls, stack: Stack, name: str = "", *, source: str = "till") -> Self:
        """Make a workspace (of this name) that allows promotions, and a source in it."""
        made = cls.known(stack, name or f"w-{secrets.token_hex(5)}", "")
        made.write_key = made.post("ingest", "/v1/sources", {"name": source})["write_key"]
        made.sender.auth = (made.write_key, "")
        if "campaign" in stack.config.services:
            made.patch("campaign", "/v1/policy", {"promotion_without_consent": True})
        return made

    @classmethod
    def known(cls, stack: Stack, name: str, write_key: str) -> Self:
        """The handle on a workspace that there is, and a source of it."""
        token = operator_token(stack.credentials().secret, workspace=name, installation=True)
        # A service that its watchdog has just ended is back within seconds, and nothing was sent.
        patient = httpx.HTTPTransport(retries=CONNECT_RETRIES, verify=NOBODY)
        operator = httpx.Client(
            headers={"Authorization": f"Bearer {token}"}, timeout=HANG_SECONDS, transport=patient
        )
        made = cls(stack, name, operator, httpx.Client(timeout=HANG_SECONDS, verify=NOBODY))
        made.write_key = write_key
        made.sender.auth = (write_key, "")
        return made

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self.operator.close()
        self.sender.close()

    # --- as an operator ----------------------------------------------------------------------

    def get(self, service: str, path: str, **query: Any) -> dict[str, Any]:
        """GET JSON; httpx.HTTPStatusError when it is refused."""
        return _json(self.operator.get(self.stack.url(service) + path, params=query))

    def post(self, service: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST JSON."""
        return _json(self.operator.post(self.stack.url(service) + path, json=body))

    def put(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT JSON."""
        return _json(self.operator.put(self.stack.url(service) + path, json=body))

    def patch(self, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PATCH JSON."""
        return _json(self.operator.patch(self.stack.url(service) + path, json=body))

    def segment(self, name: str, rule: dict[str, Any]) -> str:
        """Define a segment; returns its id."""
        return str(self.post("segment", "/v1/segments", {"name": name, "rule": rule})["id"])

    def campaign(self, segment: str, name: str = "Thanks") -> str:
        """Start a promotion to everybody who enters a segment from now on; returns its id."""
        body = {
            "name": name,
            "segment_id": segment,
            "purpose": "promotion",
            "from_address": self.from_address,
            "subject": f"{SUBJECT} ({name})",
            "html": HTML,
        }
        made = until(f"a campaign on segment {segment}", lambda: self._made(body))
        self.post("campaign", f"/v1/campaigns/{made}/start")
        return made

    def _made(self, body: dict[str, Any]) -> str | None:
        """A campaign; None while campaign's consumer, just restarted, knows not of the segment."""
        answer = self.operator.post(self.stack.url("campaign") + "/v1/campaigns", json=body)
        if answer.is_client_error and answer.json()["code"] == "unknown_segment":
            return None
        return str(_json(answer)["id"])

    def counts(self, campaign: str) -> dict[str, int]:
        """How many messages of a campaign are in which state."""
        found: dict[str, int] = self.get("campaign", f"/v1/campaigns/{campaign}")["counts"]
        return found

    def messages(self, campaign: str, state: str) -> list[dict[str, Any]]:
        """The messages of a campaign in one state."""
        path = f"/v1/campaigns/{campaign}/messages"
        found: list[dict[str, Any]] = self.get("campaign", path, state=state)["items"]
        return found

    def profile(self, kind: str, value: str) -> dict[str, Any] | None:
        """The person with this identifier; None while there is nobody."""
        url = f"{self.stack.url('profile')}/v1/profiles"
        answer = self.operator.get(url, params={"kind": kind, "value": value})
        return None if answer.status_code == httpx.codes.NOT_FOUND else _json(answer)

    def timeline(self, user_id: str) -> list[dict[str, Any]]:
        """A person's events, newest first; none while there is nobody."""
        person = self.profile("user_id", user_id)
        if person is None:
            return []
        path = f"/v1/profiles/{person['id']}/timeline"
        found: list[dict[str, Any]] = self.get("profile", path)["items"]
        return found

    def wait_named(self, user_id: str, name: str) -> dict[str, Any]:
        """Wait for an event of this name in somebody's timeline."""

        def look() -> dict[str, Any] | None:
            return next((one for one in self.timeline(user_id) if one.get("name") == name), None)

        return until(f"“{name}” in the timeline of {user_id}", look)

    # --- as a source of events -----------------------------------------------------------------

    def send(self, kind: str, **event: Any) -> dict[str, Any]:
        """Send one event; returns its verdict."""
        answer = _json(self.sender.post(f"{self.stack.url('ingest')}/v1/{kind}", json=event))
        verdict: dict[str, Any] = answer["results"][0]
        return verdict

    def order(self, user_id: str, total: str = "12.30", **event: Any) -> dict[str, Any]:
        """Send somebody's purchase."""
        return self.send(
            "track",
            userId=user_id,
            event="Order Completed",
            properties={"total": total, "currency": "USD"},
            context={"traits": {"email": address(user_id)}},
            **event,
        )

    # --- as the owner of the mailbox -----------------------------------------------------------

    @property
    def from_address(self) -> str:
        """Where this workspace's mails come from; by it they are told from others."""
        return f"{self.name}@shop.example.com"

    def mails(self, name: str = "") -> list[EmailMessage]:
        """This workspace's mails of a campaign (or of all), oldest first."""
        for path in sorted((self.stack.home.mail / "new").iterdir()):
            if path not in self._mails:
                self._mails[path] = self._ours(path)
        ours = [mail for mail in self._mails.values() if mail is not None]
        return [mail for mail in ours if name in str(mail["Subject"])]

    def _ours(self, path: Path) -> EmailMessage | None:
        raw = path.read_bytes()
        if self.from_address.encode() not in raw.partition(b"\n\r\n")[0]:
            return None
        return email.message_from_bytes(raw, policy=email.policy.default)

    def fresh_mails(self) -> list[EmailMessage]:
        """The same as `mails`, read anew: a file may have gone."""
        self._mails.clear()
        return self.mails()

    def wait_mail(self, name: str = "Thanks") -> EmailMessage:
        """Wait for the first mail of a campaign."""
        return until(f"mail of “{name}”", lambda: self.mails(name))[0]


def address(user_id: str) -> str:
    """Return the e-mail address that a test's person has."""
    return f"{user_id}@example.com"


def orders(count: int) -> dict[str, Any]:
    """Return the rule of those who have ordered so often."""
    return {"computed": "orders", "op": "gte", "value": count}


def _json(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    found: dict[str, Any] = response.json()
    return found
