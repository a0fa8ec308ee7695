"""One stack and one run of all clients that were asked for; the table at the end."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sdks.verdict import Outcome

    from rapport_local.stack import Stack

TABLE = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
async def outcomes(request: pytest.FixtureRequest, small_stack: "Stack") -> dict[str, "Outcome"]:
    """Each client's outcome by its label; only of those whose tests were chosen."""
    from tests.sdks.clients import CLIENTS  # noqa: PLC0415 - the folder is found only now
    from tests.sdks.fleet import Fleet  # noqa: PLC0415
    from tests.sdks.verdict import table  # noqa: PLC0415
    from tests.support import node  # noqa: PLC0415

    items = request.session.items
    # Other tests are named by clients too.
    asked = {one.name for one in items if one.name.startswith("test_all_is_stored")}
    chosen = [one for one in CLIENTS if any(one.label in name for name in asked)]
    packages = node.packages()
    found = await Fleet(small_stack, packages).run(chosen)
    request.config.stash[TABLE] = table(found)
    return {one.client.label: one for one in found}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = config.stash.get(TABLE, [])
    if lines:
        terminalreporter.section("SDKs through the fault script")
    for line in lines:
        terminalreporter.write_line(line)
