"""Names whose servers never answer hold up those of their own domain, and nobody else."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.support.waiting import HANG_SECONDS

from rapport_common.outside.looking_up import OF_A_DOMAIN, LookUps, by_system


class Names:
    """What names lead to; those of hung.example are answered when `open` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = threading.Event()

    def look_up(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        if host.endswith("hung.example"):
            self.open.wait(HANG_SECONDS)
        return ["192.0.2.1"]


@pytest.fixture
def names() -> Iterator[Names]:
    one = Names()
    yield one
    one.open.set()


async def test_a_domain_that_hangs_takes_two_threads(names: Names) -> None:
    look_ups = LookUps(names.look_up, threads=OF_A_DOMAIN + 1)
    hung = [
        asyncio.create_task(look_ups.addresses(f"{number}.hung.example", 443))
        for number in range(20)
    ]
    assert await look_ups.addresses("shop.example", 443) == ["192.0.2.1"]
    assert len(names.asked) == OF_A_DOMAIN + 1
    names.open.set()
    assert await asyncio.gather(*hung) == [["192.0.2.1"]] * 20


async def test_a_name_is_looked_up_once_at_a_time_and_goes_on_for_the_next(names: Names) -> None:
    look_ups = LookUps(names.look_up)
    gone = asyncio.create_task(look_ups.addresses("a.hung.example", 443))
    await asyncio.sleep(0)
    next_one = asyncio.create_task(look_ups.addresses("A.hung.example.", 443))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    names.open.set()
    assert await next_one == ["192.0.2.1"]
    assert names.asked == ["a.hung.example"]
    assert await look_ups.addresses("a.hung.example", 443) == ["192.0.2.1"]
    assert len(names.asked) == 2


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "2001:db8::1"])
async def test_an_address_is_not_looked_up(names: Names, address: str) -> None:
    assert await LookUps(names.look_up).addresses(address, 80) == [address]
    assert names.asked == []


def test_what_is_no_name_leads_nowhere() -> None:
    assert by_system("no such name.invalid", 80) == []
    assert by_system("x" * 300, 80) == []
