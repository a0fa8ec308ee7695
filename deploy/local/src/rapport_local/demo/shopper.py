"""One scripted web shopper: browses, signs up, leaves a cart, buys, answers NPS 3, complains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
from segment.analytics.client import Client

from rapport_local.demo.mailbox import Mailbox
from rapport_local.demo.platform import Platform
from rapport_local.demo.scene import Scene
from rapport_local.demo.waiting import until
from rapport_local.errors import LocalError

USER_ID = "web-ada"
ADDRESS = "ada@example.com"
NAME = "Ada Byron"
ORDER = Decimal("129.90")
SCORE = 3
COMMENT = "The parcel came late and the cover was torn."
SECONDS = 30.0


@dataclass
class Shopper:
    """Ada, with the means she uses: the web tracker, a mail reader and a browser."""

    platform: Platform
    scene: Scene
    mailbox: Mailbox
    tell: Callable[[str], None]
    events: int = 0

    def __post_init__(self) -> None:
        self._visit = str(uuid4())
        ingest = self.platform.config.url("ingest")
        self._tracker = Client(self.scene.web_key, host=ingest, sync_mode=True)
        self._browser = httpx.Client(timeout=SECONDS)

    def live(self) -> None:
        """Do it all; returns when the platform has drawn its conclusions."""
        self._browse()
        self._sign_up()
        self._leave_cart()
        self._buy()
        self._answer_and_complain()
        self._be_tempted_again()
        self._browser.close()

    def _browse(self) -> None:
        self.tell("browses without a name")
        for name in ("Home", "Jazz", "Kind of Blue"):
            self._send(self._tracker.page, anonymous_id=self._visit, name=name)

    def _sign_up(self) -> None:
        self.tell("signs up and agrees to mails")
        traits = {"email": ADDRESS, "name": NAME}
        self._send(self._tracker.identify, user_id=USER_ID, anonymous_id=self._visit, traits=traits)
        consent = {"contact_point": ADDRESS, "channel": "email", "purpose": "promotion"}
        self._track("Consent Updated", {**consent, "state": "granted", "wording_version": "1"})

    def _leave_cart(self) -> None:
        self.tell("leaves a cart, gets a reminder and follows its link")
        self._fill_cart(2)
        mails = until("cart reminder in the Maildir", lambda: self.mailbox.to(ADDRESS))
        answer = self._browser.get(mails[0].first_link())
        if not answer.is_redirect:
            raise _odd("the link of the reminder", answer)
        self.events += 1  # the click comes back as an event

    def _buy(self) -> None:
        self.tell(f"buys for ${ORDER}")
        order = {"total": ORDER, "currency": "USD", "quantity": 2}
        self._track("Order Completed", order)
        self._fill_cart(0)
        until("order in her profile", lambda: self._computed("orders"))

    def _answer_and_complain(self) -> None:
        self.tell(f"answers NPS {SCORE} and complains")
        invitation = self.platform.post(
            "feedback",
            f"/v1/surveys/{self.scene.survey}/invitations",
            {"user_id": USER_ID},
        )
        page = invitation["url"]
        self._visit_page("GET", page)
        self._visit_page("POST", page, {"score": str(SCORE), "comment": COMMENT})
        complaint = {"subject": "Torn cover", "body": COMMENT}
        self._visit_page("POST", f"{page}/complaint", complaint)
        self.events += 2  # the answer and the opened case come back as events
        until("open case in her profile", lambda: self._computed("open_cases"))

    def _be_tempted_again(self) -> None:
        self.tell("leaves a cart again: no reminder while her complaint is open")
        self._fill_cart(1)
        until("suppressed reminder", self.suppressed)

    def suppressed(self) -> list[dict[str, Any]]:
        """Return the reminders that were not sent to her."""
        path = f"/v1/campaigns/{self.scene.reminder}/messages"
        answer = self.platform.get("campaign", path, state="suppressed")
        return list(answer["items"])

    def _fill_cart(self, items: int) -> None:
        if items:
            self._track("Product Added", {"product_id": "kind-of-blue", "quantity": items})
        self._send(self._tracker.identify, user_id=USER_ID, traits={"cart_items": items})

    def _track(self, name: str, properties: dict[str, Any]) -> None:
        self._send(self._tracker.track, user_id=USER_ID, event=name, properties=properties)

    def _send(self, call: Callable[..., Any], **arguments: Any) -> None:
        call(**arguments)  # raises when ingest does not take it
        self.events += 1

    def _computed(self, name: str) -> int:
        profile = self.platform.profile("user_id", USER_ID)
        return int(profile["computed"][name]) if profile else 0

    def _visit_page(self, method: str, url: str, form: dict[str, str] | None = None) -> None:
        answer = self._browser.request(method, url, data=form, follow_redirects=True)
        if not answer.is_success:
            raise _odd(f"{method} {url}", answer)


def _odd(what: str, answer: httpx.Response) -> LocalError:
    return LocalError(
        code="demo_page_failed",
        message=f"{what} answered {answer.status_code}. `make logs` tells more.",
    )
