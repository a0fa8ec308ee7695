"""Several user ids of one person: histories in which somebody was once left behind.

Each came out right in most orders of arrival, and wrong in one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from services.profile.tests.people import content, event, expected
from services.profile.tests.stored import People

from rapport_common.events.envelope import Event
from rapport_profile.domain import regrouping
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.identity import Resolution, resolve
from rapport_profile.domain.naming import Id


def played(*batches: Sequence[Event]) -> People:
    """All that came, in batches."""
    made = People()
    for batch in batches:
        made.feed(batch)
    return made


def is_exact(made: People, history: Sequence[Event]) -> None:
    """What is stored and told is what the events amount to, and what is decided."""
    names = [
        (
            (made.rows[key[0]].kind, made.rows[key[0]].value),
            (made.rows[key[1]].kind, made.rows[key[1]].value),
        )
        for key in made.merges
    ]
    assert content(made.states()) == content(made.told()) == expected(history, joined=names)
    made.check()
    assert made.rebuild(2) == 0


FIRST_WORDS = [
    # The first word of a user id that was renamed before: who was known by its address.
    [
        event("1", type="alias", user_id="new", previous_id="old"),
        event("2", anonymous_id="phone", email="e1"),
        event("3", type="identify", user_id="old", email="e1"),
    ],
    # Of one that an alias took for an anonymous id: who was known by its device.
    [
        event("1", type="identify", email="e1"),
        event("2", type="identify", anonymous_id="z", email="e2"),
        event("3", type="alias", user_id="C", previous_id="A", trust="public"),
        event("4", type="identify", user_id="A", anonymous_id="z", email="e1"),
    ],
]


@pytest.mark.parametrize("history", FIRST_WORDS)
def test_a_first_word_leaves_nobody_behind(history: list[Event]) -> None:
    is_exact(played(*([one] for one in history)), history)
    is_exact(played(history), history)
    is_exact(played(history[::-1]), history)


def test_who_is_somebody_by_an_operators_word_alone_stays_so() -> None:
    """The last event that named a user id gives way to a copy that names another.

    When that word is taken back too, the id is no user's any more, and an alias of it counts.
    """
    history = [
        event("1", user_id="D", anonymous_id="y"),
        event("2", type="identify", email="e3"),
        event("3", type="alias", user_id="E", previous_id="D", trust="public"),
    ]
    made = played(history)
    made.decide("join", ("user_id", "D"), ("email", "e3"))
    copies = (event("1", user_id="C", email="e3", said={"n": n}) for n in range(1_000))
    smaller = next(one for one in copies if content_hash(one) < content_hash(history[0]))
    made.feed([smaller])
    is_exact(made, [*history, smaller])
    made.decide("let_go", ("user_id", "D"), ("email", "e3"))
    is_exact(made, [*history, smaller])


def test_a_void_alias_is_no_third_user_of_what_two_ids_share() -> None:
    history = [
        event("1", user_id="B", anonymous_id="x"),
        event("2", user_id="x", anonymous_id="x", at=1),
        event("3", type="alias", user_id="D", previous_id="x", trust="public", at=2),
    ]
    made = played(*([one] for one in history))
    made.decide("join", ("user_id", "x"), ("user_id", "B"))
    is_exact(made, history)


def test_what_a_void_alias_leads_to_is_not_taken_for_nobodys() -> None:
    history = [
        event("1", type="identify", user_id="x", anonymous_id="x", at=1),
        event("2", user_id="x", email="e1", at=2),
        event("3", type="alias", email="e1", previous_id="x", at=4),
        event("4", type="identify", user_id="B", anonymous_id="y", email="e3", at=5),
    ]
    last = [
        event("5", type="identify", user_id="A", anonymous_id="y", email="e1", at=3),
        event("6", type="alias", user_id="D", email="e3", previous_id="B", at=3),
    ]
    is_exact(played(*([one] for one in history), last), [*history, *last])


def test_who_is_renamed_at_a_till_is_looked_at_and_not_all_who_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice as many of its users, in one batch, are twice the work."""
    looked_at = []

    def counted(kinds: Mapping[Id, str], *rest: Any) -> Resolution:
        looked_at.append(len(kinds))
        return resolve(kinds, *rest)

    monkeypatch.setattr(regrouping, "resolve", counted)
    work = []
    for number in (20, 40):
        users = [event(f"s{n}", user_id=f"u{n}", anonymous_id="till") for n in range(number)]
        told = [
            event(f"r{n}", type="alias", user_id=f"n{n}", previous_id=f"u{n}", at=1)
            for n in range(number)
        ]
        made = played(users)
        looked_at.clear()
        made.feed(told)
        work.append(sum(looked_at))
        is_exact(made, [*users, *told])
    assert work[1] <= 2 * work[0]
