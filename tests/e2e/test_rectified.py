"""What was put right of somebody is what all services go by, whatever sources go on to say."""

from typing import Any

import pytest
from tests.support import ledger
from tests.support.waiting import until
from tests.support.workspace import Workspace, address, orders

pytestmark = pytest.mark.e2e
PATH = "/v1/privacy/rectifications"


def test_mails_go_to_the_address_that_was_put_right_and_segments_judge_by_it(
    workspace: Workspace,
) -> None:
    campaign = workspace.campaign(workspace.segment("Buyers", orders(1)))
    leeds = workspace.segment("Leeds", {"trait": "city", "op": "eq", "value": "Leeds"})
    workspace.send("identify", userId="ada", traits={"email": address("ada"), "city": "Leads"})
    until("the person", lambda: workspace.profile("user_id", "ada"))
    right = {"email": "ada@right.example", "city": "Leeds"}
    body = {"identifier": {"kind": "user_id", "value": "ada"}, "traits": right, "reason": "letter"}
    made = workspace.post("profile", PATH, body)
    # The till tells the former address with each order.
    workspace.send("identify", userId="ada", traits={"email": address("ada"), "city": "Leads"})
    workspace.order("ada")
    assert workspace.wait_mail()["To"] == "ada@right.example"

    def members() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = workspace.get("segment", f"/v1/segments/{leeds}/members")[
            "items"
        ]
        return found

    until("that the segment has them", members)
    lifted = workspace.post("profile", f"{PATH}/{made['id']}/lift", {"reason": "another letter"})
    assert lifted["state"] == "lifted"
    until("that the segment has them no more", lambda: not members())
    until("the mail in the ledger", lambda: workspace.counts(campaign)["sent"] == 1)
    assert ledger.broken(workspace.stack) == []
