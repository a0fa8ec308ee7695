"""The equations of `rapport ledger verify` over a stack."""

from contextlib import suppress

from tests.support.waiting import HANG_SECONDS, until

from rapport_cli.client import Session
from rapport_cli.config import Config
from rapport_cli.equations import Equation
from rapport_cli.errors import CliError
from rapport_cli.ledger import checked
from rapport_local.ports import SERVICES
from rapport_local.stack import Stack


def broken(stack: Stack, *, wait: float = HANG_SECONDS) -> list[Equation]:
    """Return the equations that do not hold although everything had `wait` seconds to settle."""
    config = Config(
        home=stack.home.root,
        urls={name: stack.url(name) for name in SERVICES},
        secret=stack.credentials().secret,
    )

    def look() -> list[Equation]:
        # A service that is just being started again has not shown its ledger yet.
        with suppress(CliError):
            return checked(Session(config), stack.home.mail, wait)
        return []

    found = until("ledger of all services", look)
    assert any(one.name == "at most once" for one in found), "the mails were not counted"
    return [one for one in found if not one.holds]
