"""What is not to be done with somebody's data is not done, by any service, until it is lifted."""

from typing import Any

import pytest
from tests.support import ledger
from tests.support.waiting import until
from tests.support.workspace import Workspace, address, orders

pytestmark = pytest.mark.e2e
PATH = "/v1/privacy/restraints"


def test_whose_data_are_only_kept_is_in_no_segment_gets_no_mail_and_no_survey(
    workspace: Workspace,
) -> None:
    segment = workspace.segment("Buyers", orders(1))
    campaign = workspace.campaign(segment)
    survey = {"name": "Survey", "kind": "nps", "question": "Would you recommend us?"}
    survey_id = workspace.post("feedback", "/v1/surveys", survey)["id"]
    ada = {"identifier": {"kind": "user_id", "value": "ada"}}
    # Before anybody knows them: so nothing can have come in between.
    made = workspace.post("profile", PATH, {**ada, "what": "processing", "reason": "letter 1"})
    workspace.send("identify", userId="ada", traits={"email": address("ada")})
    workspace.order("ada")
    workspace.order("ben")

    def known() -> dict[str, Any] | None:
        found = workspace.profile("user_id", "ada")
        return found if found and found["computed"]["orders"] else None

    person = until("the person with an order", known)
    assert person["restraints"] == ["processing"]
    why = f"/v1/segments/{segment}/members/{person['id']}"

    def judged() -> dict[str, Any] | None:
        answer = workspace.operator.get(f"{workspace.stack.url('segment')}{why}")
        found = answer.json() if answer.is_success else {}
        return found if "may not be processed" in str(found.get("reason")) else None

    standing = until("that segment knows it", judged)
    assert standing["member"] is False
    invitations = f"{workspace.stack.url('feedback')}/v1/surveys/{survey_id}/invitations"

    def refused() -> bool:
        answer = workspace.operator.post(invitations, json={"user_id": "ada"})
        return answer.status_code == 409

    until("that feedback knows it", refused)
    lifted = workspace.post("profile", f"{PATH}/{made['id']}/lift", {"reason": "letter 2"})
    assert lifted["state"] == "lifted"
    until("both mails", lambda: workspace.counts(campaign)["sent"] == 2)
    until("that feedback knows that, too", lambda: not refused())
    # Nothing was suppressed, for they were in no segment before.
    assert workspace.counts(campaign)["suppressed"] == 0
    assert ledger.broken(workspace.stack) == []
