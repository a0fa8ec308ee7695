"""Services that lost whom they knew are told again of everybody, while events flow."""

from collections import Counter
from typing import Any

import pytest
from tests.support import ledger
from tests.support.database import Database
from tests.support.waiting import until
from tests.support.workspace import Workspace, address, orders

pytestmark = pytest.mark.e2e

BY_EVENTS = {"count": "Order Completed", "op": "gte", "value": 2}
PEOPLE = [f"user-{number}" for number in range(12)]
EMPTYING = (
    "DELETE FROM segment.person WHERE workspace = $1",
    (
        "UPDATE segment.tally SET value = value - (SELECT count(*) FROM segment.membership "
        "WHERE workspace = $1 AND exited_at IS NULL) WHERE name = 'entered'"
    ),
    "DELETE FROM segment.membership WHERE workspace = $1 AND exited_at IS NULL",
    "DELETE FROM segment.happening WHERE workspace = $1",
    "DELETE FROM campaign.person WHERE workspace = $1",
    "DELETE FROM feedback.person WHERE workspace = $1",
    "DELETE FROM feedback.identity WHERE workspace = $1",
)
KNOWN = """
    SELECT CAST(s.profile_id AS text), CAST(s.computed ->> 'orders' AS int),
        CAST(c.computed ->> 'orders' AS int), s.traits = CAST(c.traits AS jsonb),
        (SELECT count(*) FROM segment.membership m WHERE m.workspace = s.workspace
            AND m.profile_id = s.profile_id AND m.exited_at IS NULL),
        (SELECT array_agg(kind || ' ' || value ORDER BY kind, value) FROM feedback.identity i
            WHERE i.workspace = s.workspace AND i.profile_id = CAST(s.profile_id AS text))
    FROM segment.person s JOIN campaign.person c ON c.workspace = s.workspace
        AND c.profile_id = CAST(s.profile_id AS text)
    JOIN feedback.person f ON f.workspace = c.workspace AND f.profile_id = c.profile_id
    WHERE s.workspace = $1 AND s.known AND c.known AND f.known
"""


def known(database: Database, workspace: Workspace) -> dict[str, tuple[Any, ...]]:
    """Of each person: orders as segment and campaign have them, alike otherwise, stays, names."""
    return {row[0]: tuple(row[1:]) for row in database.rows(KNOWN, workspace.name)}


def expected(workspace: Workspace) -> dict[str, tuple[Any, ...]]:
    """The same by what profile knows."""
    found = {}
    for user in PEOPLE:
        one = workspace.profile("user_id", user)
        if one is None:
            return {}
        count = one["computed"]["orders"]
        names = sorted(f"{name['kind']} {name['value']}" for name in one["identifiers"])
        # In both segments, or in none.
        found[str(one["id"])] = (count, count, True, 2 * int(count >= 2), names)
    return found


def mails(workspace: Workspace) -> Counter[str]:
    return Counter(str(one["To"]) for one in workspace.fresh_mails())


def test_emptied_services_are_told_again_of_everybody_while_events_flow(
    workspace: Workspace,
) -> None:
    workspace.campaign(workspace.segment("Twice", orders(2)))
    workspace.segment("Twice, by events", BY_EVENTS)
    for number, user in enumerate(PEOPLE):
        workspace.send("identify", userId=user, anonymousId=f"web-{user}", traits={"n": number})
        for _ in range(1 + number % 2):
            workspace.order(user)
    with Database(workspace.stack) as database:
        alike = lambda: known(database, workspace) == expected(workspace) != {}  # noqa: E731 - asked twice
        until("everybody is known everywhere", alike)
        until("the mails", lambda: len(mails(workspace)) == len(PEOPLE) // 2)
        for statement in EMPTYING:
            database.run(statement, workspace.name)
        for user in PEOPLE[:6]:
            workspace.order(user)
        workspace.post("profile", "/v1/profiles/republish", {"events": True})
        for user in PEOPLE[3:9]:
            workspace.order(user)
        until("everybody is known again", alike)
    assert ledger.broken(workspace.stack) == []
    # Who had a mail gets no other; of who enters now some get theirs, as it falls.
    counts = mails(workspace)
    assert max(counts.values()) == 1, counts
    assert {address(user) for user in PEOPLE[1::2]} <= counts.keys()
