"""The SDKs in the field, as their makers publish them, through faults: exactly what was sent."""

from typing import TYPE_CHECKING

import pytest
from tests.sdks.clients import CLIENTS, Client

if TYPE_CHECKING:
    from tests.sdks.verdict import Outcome

# The first test waits for the run of all clients.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.mark.parametrize("client", [pytest.param(one, id=one.label) for one in CLIENTS])
def test_all_is_stored_once_as_it_was_sent(outcomes: dict[str, "Outcome"], client: Client) -> None:
    assert outcomes[client.label].breaches() == []
