"""The SDKs in the field, as their makers publish them, through faults: exactly what was sent."""

from typing import TYPE_CHECKING

import pytest
from tests.sdks.clients import CLIENTS, FAMILIES, SHORT, Client

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet
    from tests.sdks.verdict import Outcome

# The first test waits for the run of all clients.
pytestmark = [pytest.mark.e2e]


def case(client: Client) -> "ParameterSet":
    return pytest.param(
        client, id=client.label, marks=() if client.label in SHORT else pytest.mark.long
    )


def test_the_short_form_has_one_of_each_family() -> None:
    labels = [{client.label for client in family} for family in FAMILIES]
    assert [len(SHORT & family) for family in labels] == [1] * len(FAMILIES)
    assert set().union(*labels) >= SHORT


@pytest.mark.parametrize("client", [case(one) for one in CLIENTS])
def test_all_is_stored_once_as_it_was_sent(outcomes: dict[str, "Outcome"], client: Client) -> None:
    breaches = outcomes[client.label].breaches()
    assert not breaches, "\n".join(breaches)[:4000]
