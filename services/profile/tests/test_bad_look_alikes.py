"""Bad input: what looks like another identifier and is none; what is only written otherwise."""

import pytest
from services.profile.tests.misfits import Shop
from services.profile.tests.people import event

from rapport_common.events.kinds import normal_value

pytestmark = pytest.mark.integration

PAIRS = {
    "Cyrillic": ("paypal@example.com", "p\u0430ypal@example.com"),
    "sharp s": ("strasse@example.com", "stra\u00dfe@example.com"),
    "Turkish dotless i": ("tim@example.com", "t\u0131m@example.com"),
    "ligature": ("office@example.com", "o\ufb03ce@example.com"),
    "digit for letter": ("bob@example.com", "b0b@example.com"),
    "accent": ("jose@example.com", "jos\u00e9@example.com"),
}


@pytest.mark.parametrize("name", PAIRS)
async def test_what_only_looks_alike_is_somebody_else(shop: Shop, name: str) -> None:
    first, second = PAIRS[name]
    await shop.tell(
        event("1", user_id="A", email=first),
        event("2", user_id="B", email=second, at=1),
        event("3", email=second, anonymous_id="x", at=2),
    )
    assert await shop.values("email", first) == {"A", first}
    assert await shop.values("anonymous_id", "x") == {"B", second, "x"}
    await shop.is_settled("A", "B")


def formed(kind: str, value: str) -> str:
    """The form that a value has when it has come through the door."""
    found = normal_value(kind, value)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "one", "same"),
    [
        ("email", "ada@example.com", " ADA@Example.COM\u200b"),
        ("email", "ada@example.com", "\ufeffada@example.com"),
        # Composed and decomposed, as the door makes one form of them.
        ("user_id", "Jos\u00e9", "Jose\u0301"),
        ("user_id", "A-1", "A-1\u200b"),
        ("phone", "+491705861234", "\uff0b\uff14\uff19 170 5861234"),
    ],
)
async def test_what_is_only_written_otherwise_is_the_same(
    shop: Shop, kind: str, one: str, same: str
) -> None:
    await shop.tell(
        event("1", identifiers=[(kind, formed(kind, one)), ("device_id", "x")]),
        event("2", identifiers=[(kind, formed(kind, same)), ("device_id", "y")], at=1),
    )
    assert await shop.values("device_id", "x") == await shop.values("device_id", "y")
    assert {"x", "y"} < await shop.values(kind, same)
    await shop.is_settled()


async def test_user_ids_keep_their_case_and_width(shop: Shop) -> None:
    """They are opaque: a shop may have both."""
    users = ["ada", "Ada", "\uff41\uff44\uff41", "ada\u0430", "a\u200bda"]
    await shop.tell(*(event(str(n), user_id=one) for n, one in enumerate(users)))
    await shop.is_settled(*users)
