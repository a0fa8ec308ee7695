"""People merged and kept apart by API: shown before, told after, undone; refused with a way on."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from services.profile.tests.conftest import bearer
from services.profile.tests.people import event, expected
from services.profile.tests.postgres import feed, known, told
from services.profile.tests.test_rebuilding import NOTHING, checked
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.content import content_hash
from rapport_profile.domain.merge_rules import KindRule, MergeRules, RuleBook, Rules
from rapport_profile.handlers.upkeep import Upkeep

pytestmark = pytest.mark.integration
ADA: Identifier = ("user_id", "A")
MAIL: Identifier = ("email", "ada@example.com")
NOBODY = "f3fef9e5-16dc-47fa-a2b4-3d4c1b482afe"
PHONE: Identifier = ("anonymous_id", "x")
HISTORY = [
    event("1", type="identify", user_id="A", email="ada@example.com", traits={"p": 1}),
    event("2", type="identify", anonymous_id="x", traits={"q": 2}, at=1),
    event("3", user_id="B", at=2),
]


@pytest.fixture(name="client")
async def shop(engine: AsyncEngine, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Ada, a device that is nobody's yet, and another user."""
    await feed(engine, HISTORY)
    return client


def body(one: Identifier, other: Identifier, **more: Any) -> dict[str, Any]:
    ends = {"one": dict(zip(("kind", "value"), one, strict=True))}
    ends["other"] = dict(zip(("kind", "value"), other, strict=True))
    return {**ends, "reason": "they called", **more}


async def is_exact(
    engine: AsyncEngine,
    history: Sequence[Event],
    apart: Sequence[tuple[Identifier, Identifier]] = (),
    joined: Sequence[tuple[Identifier, Identifier]] = (),
    cuts: Sequence[str] = (),
) -> None:
    async with engine.begin() as tx:
        wanted = expected(history, apart=apart, joined=joined, cuts=cuts)
        assert await known(tx) == wanted
        assert await told(tx) == wanted


async def person(client: httpx.AsyncClient, identifier: Identifier) -> Any:
    asked = {"kind": identifier[0], "value": identifier[1]}
    return (await client.get("/v1/profiles", params=asked)).json()


async def test_a_merge_is_shown_before_carried_out_and_undone(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    before = await person(client, PHONE)
    shown = await client.post("/v1/profiles/merge", json=body(PHONE, ADA, dry_run=True))
    assert shown.status_code == 200
    assert shown.json()["decision_id"] is None
    await is_exact(engine, HISTORY)
    made = (await client.post("/v1/profiles/merge", json=body(PHONE, ADA))).json()
    assert [one["becomes_id"] is None for one in made["changes"]] == [False, True]
    assert made["changes"][1]["traits"] == {"p": 1, "q": 2}
    await is_exact(engine, HISTORY, joined=[(ADA, PHONE)])
    assert await checked(engine) == NOTHING
    # The id that it had leads to Ada.
    merged = (await client.get(f"/v1/profiles/{before['id']}")).json()
    assert merged == await person(client, ADA)
    undone = await client.post(
        f"/v1/decisions/{made['decision_id']}/undo", json={"reason": "was her brother"}
    )
    assert undone.status_code == 200
    await is_exact(engine, HISTORY)
    again = await client.post(f"/v1/decisions/{made['decision_id']}/undo", json={"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    (listed,) = (await client.get("/v1/decisions")).json()["items"]
    assert (listed["actor"], listed["reason"], listed["undone_reason"]) == (
        "ada",
        "they called",
        "was her brother",
    )


async def test_who_is_kept_apart_stays_so_whatever_events_say(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    joined = event("4", user_id="A", anonymous_id="x", at=3)
    await feed(engine, [joined])
    await client.post("/v1/profiles/keep-apart", json=body(PHONE, ADA))
    await is_exact(engine, [*HISTORY, joined], apart=[(PHONE, ADA)])
    later = [event(str(n), email="ada@example.com", anonymous_id="x", at=n) for n in range(5, 8)]
    await feed(engine, later)
    await is_exact(engine, [*HISTORY, joined, *later], apart=[(PHONE, ADA)])
    # To work everybody out anew changes nothing of it.
    assert await checked(engine) == NOTHING
    assert (await person(client, PHONE))["id"] != (await person(client, ADA))["id"]
    refused = await client.post("/v1/profiles/merge", json=body(PHONE, ADA))
    assert (refused.status_code, "they called" in refused.json()["message"]) == (409, True)
    decision = refused.json()["details"]["decision_id"]
    await client.post(f"/v1/decisions/{decision}/undo", json={"reason": "a mistake"})
    await is_exact(engine, [*HISTORY, joined, *later])


async def test_two_of_the_same_word_hold_until_both_are_undone(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    ids = [
        (await client.post("/v1/profiles/merge", json=body(*pair))).json()["decision_id"]
        for pair in ((PHONE, ADA), (ADA, PHONE))
    ]
    await client.post(f"/v1/decisions/{ids[0]}/undo", json={"reason": "x"})
    await is_exact(engine, HISTORY, joined=[(ADA, PHONE)])
    await client.post(f"/v1/decisions/{ids[1]}/undo", json={"reason": "x"})
    await is_exact(engine, HISTORY)


@pytest.mark.parametrize("word", ["merge", "keep-apart"])
async def test_two_of_the_same_word_undone_at_the_same_time_hold_no_more(
    client: httpx.AsyncClient, engine: AsyncEngine, word: str
) -> None:
    if word == "keep-apart":
        await feed(engine, [joined := event("4", user_id="A", anonymous_id="x", at=3)])
    told_of = [*HISTORY, joined] if word == "keep-apart" else HISTORY
    for _ in range(3):
        ids = [
            (await client.post(f"/v1/profiles/{word}", json=body(*pair))).json()["decision_id"]
            for pair in ((PHONE, ADA), (ADA, PHONE))
        ]
        answers = await asyncio.gather(
            *(client.post(f"/v1/decisions/{one}/undo", json={"reason": "x"}) for one in ids)
        )
        assert [one.status_code for one in answers] == [200, 200]
        await is_exact(engine, told_of)
        assert await checked(engine) == NOTHING


async def test_a_merge_is_undone_under_other_rules_than_it_was_made(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    pair = (MAIL, PHONE)
    ids = [(await client.post("/v1/profiles/merge", json=body(*pair))).json()["decision_id"]]
    rules = {"order": ["anonymous_id", "email"], "version": 0, "reason": "x"}
    await client.put("/v1/merge-rules", json=rules)
    ids += [(await client.post("/v1/profiles/merge", json=body(*pair))).json()["decision_id"]]
    await client.post(f"/v1/decisions/{ids[0]}/undo", json={"reason": "x"})
    ada = await person(client, MAIL)
    asked = {"kind": "email", "value": MAIL[1], "to_kind": "anonymous_id", "to_value": "x"}
    why = (await client.get(f"/v1/profiles/{ada['id']}/why", params=asked)).json()
    # Of two that have said it the one holds that is left.
    assert [one["message_id"] for one in why["chain"]] == ids[1:]
    await client.post(f"/v1/decisions/{ids[1]}/undo", json={"reason": "x"})
    assert (await person(client, MAIL))["id"] != (await person(client, PHONE))["id"]


async def test_a_merge_that_the_rules_forbid_is_refused(client: httpx.AsyncClient) -> None:
    rules = {"kinds": {"email": {"max_per_profile": 1}}, "blocked": {"anonymous_id": ["x"]}}
    await client.put("/v1/merge-rules", json={**rules, "version": 0, "reason": "x"})
    blocked = await client.post("/v1/profiles/merge", json=body(PHONE, ADA))
    assert (blocked.status_code, "joins nobody" in blocked.json()["message"]) == (409, True)
    assert (await client.get("/v1/decisions")).json()["items"] == []


async def test_a_merge_that_would_join_too_many_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    rules = {"kinds": {"email": {"max_per_profile": 1}}}
    await client.put("/v1/merge-rules", json={**rules, "version": 0, "reason": "x"})
    one_mail = RuleBook(w=Rules(MergeRules(kinds={"email": KindRule(1)})))
    second: Identifier = ("email", "b@example.com")
    await feed(engine, [event("5", email=second[1])], one_mail)
    refused = await client.post("/v1/profiles/merge", json=body(MAIL, second))
    assert (refused.status_code, "keep these two apart" in refused.json()["message"]) == (409, True)
    assert (await client.get("/v1/decisions")).json()["items"] == []


async def test_what_no_decision_says_is_found_and_put_right(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.post("/v1/profiles/merge", json=body(PHONE, ADA))
    async with engine.begin() as tx:
        await tx.execute(text("UPDATE profile.decision SET undone_at = now()"))
    found = await checked(engine)
    assert (found["links"], found["changed"] > 0) == (1, True)


async def test_the_events_that_lead_from_one_identifier_to_another_are_told(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await feed(engine, [event("4", anonymous_id="x", email="ada@example.com", at=4)])
    ada = await person(client, ADA)
    asked = {"kind": "user_id", "value": "A", "to_kind": "anonymous_id", "to_value": " x"}
    why = await client.get(f"/v1/profiles/{ada['id']}/why", params=asked)
    assert [one["message_id"] for one in why.json()["chain"]] == ["1", "4"]
    nobody = await client.get(f"/v1/profiles/{NOBODY}/why", params=asked)
    assert "no profile" in nobody.json()["message"]
    missing = await client.get(
        f"/v1/profiles/{ada['id']}/why", params={**asked, "to_value": "nobody"}
    )
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("one", "other", "status", "says"),
    [
        (MAIL, ("user_id", "B"), 409, "merge the two user ids"),
        (ADA, ("email", "nobody@example.com"), 404, "Nobody is known by email"),
        (MAIL, ("email", " ADA@example.com"), 422, "the same identifier"),
    ],
)
async def test_what_cannot_be_merged_is_refused(
    client: httpx.AsyncClient, one: Identifier, other: Identifier, status: int, says: str
) -> None:
    answer = await client.post("/v1/profiles/merge", json=body(one, other))
    assert (answer.status_code, says in answer.json()["message"]) == (status, True)


async def test_two_user_ids_are_merged_and_come_apart_again(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """With what both were seen with, which was nobody's until then and is again."""
    tablet = [event("4", user_id="A", anonymous_id="t"), event("5", user_id="B", anonymous_id="t")]
    await feed(engine, tablet)
    history, other = [*HISTORY, *tablet], ("user_id", "B")
    made = (await client.post("/v1/profiles/merge", json=body(other, ADA))).json()
    await is_exact(engine, history, joined=[(ADA, other)])
    assert await checked(engine) == NOTHING
    found = await person(client, ("anonymous_id", "t"))
    assert found == await person(client, ADA) == await person(client, other)
    asked = {"kind": "email", "value": MAIL[1], "to_kind": "user_id", "to_value": "B"}
    why = (await client.get(f"/v1/profiles/{found['id']}/why", params=asked)).json()
    assert [one["kind"] for one in why["chain"]] == ["seen", "merge"]
    for user in (ADA, other):
        shown = await client.post("/v1/profiles/merge", json=body(PHONE, user, dry_run=True))
        assert shown.status_code == 200
    later = [event("6", user_id="B", anonymous_id="y", at=3)]
    await feed(engine, later)
    await is_exact(engine, [*history, *later], joined=[(ADA, other)])
    undone = f"/v1/decisions/{made['decision_id']}/undo"
    assert (await client.post(undone, json={"reason": "a mistake"})).status_code == 200
    await is_exact(engine, [*history, *later])
    assert await checked(engine) == NOTHING


async def test_an_event_that_names_others_by_mistake_is_cut(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Its other contents stay; a copy that counts instead is cut too; undone, it names them."""
    typo = event("4", type="identify", user_id="B", email="ada@example.com", traits={"r": 3}, at=5)
    await feed(engine, [typo])
    cut = {"source": "shop", "message_id": "4", "reason": "mistyped at the till"}
    shown = await client.post("/v1/profiles/cut", json={**cut, "dry_run": True})
    assert (shown.status_code, shown.json()["decision_id"]) == (200, None)
    await is_exact(engine, [*HISTORY, typo])
    made = (await client.post("/v1/profiles/cut", json=cut)).json()
    assert made["changes"] == shown.json()["changes"] != []
    await is_exact(engine, [*HISTORY, typo], cuts=["4"])
    assert (await person(client, MAIL)) == (await person(client, ADA))
    smaller = smaller_copy(typo)
    await feed(engine, [smaller])
    history = [*HISTORY, typo, smaller]
    await is_exact(engine, history, cuts=["4"])
    assert await checked(engine) == NOTHING
    again = await client.post("/v1/profiles/cut", json=cut)
    assert (again.status_code, "cut already" in again.json()["message"]) == (409, True)
    (listed,) = (await client.get("/v1/decisions")).json()["items"]
    assert (listed["kind"], listed["event"]) == ("cut", {"source": "shop", "message_id": "4"})
    undone = f"/v1/decisions/{made['decision_id']}/undo"
    assert (await client.post(undone, json={"reason": "it was hers"})).status_code == 200
    await is_exact(engine, history)
    assert await checked(engine) == NOTHING


def smaller_copy(one: Event) -> Event:
    """Another copy of an event, which counts instead of it."""
    copies = (
        event(
            one.message_id,
            type="identify",
            user_id="B",
            email="ada@example.com",
            traits={"r": n},
            at=6,
        )
        for n in range(100)
    )
    return next(each for each in copies if content_hash(each) < content_hash(one))


@pytest.mark.parametrize(
    ("message_id", "status", "says"),
    [("nothing", 404, "no event 'nothing'"), ("3", 409, "one identifier only")],
)
async def test_what_cannot_be_cut_is_refused(
    client: httpx.AsyncClient, message_id: str, status: int, says: str
) -> None:
    cut = {"source": "shop", "message_id": message_id, "reason": "x"}
    answer = await client.post("/v1/profiles/cut", json=cut)
    assert (answer.status_code, says in answer.json()["message"]) == (status, True)


async def test_what_retention_has_removed_cannot_be_cut(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """It may have been said by others that are not there any more."""
    await Upkeep(engine, 30).close_months()
    cut = {"source": "shop", "message_id": "1", "reason": "x"}
    answer = await client.post("/v1/profiles/cut", json=cut)
    assert (answer.status_code, "keep the two" in answer.json()["message"]) == (409, True)


async def test_a_repeated_request_decides_once(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [
        await client.post("/v1/profiles/merge", json=body(PHONE, ADA), headers=headers)
        for _ in range(2)
    ]
    assert len({one.json()["decision_id"] for one in answers}) == 1
    assert len((await client.get("/v1/decisions")).json()["items"]) == 1


async def test_whose_decisions_they_are(client: httpx.AsyncClient) -> None:
    stranger = bearer("other", "*")
    refused = await client.post("/v1/profiles/merge", json=body(PHONE, ADA), headers=stranger)
    assert refused.status_code == 404
    made = (await client.post("/v1/profiles/merge", json=body(PHONE, ADA))).json()
    path = f"/v1/decisions/{made['decision_id']}/undo"
    assert (await client.post(path, json={"reason": "x"}, headers=stranger)).status_code == 404
    reader = bearer("w", "profiles:read")
    for post in ("/v1/profiles/merge", "/v1/profiles/keep-apart"):
        answer = await client.post(post, json=body(PHONE, ADA), headers=reader)
        assert answer.status_code == 403
    assert (await client.get("/v1/decisions", headers=stranger)).json()["items"] == []


async def test_decisions_and_events_at_the_same_time(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Whoever comes first: what is kept apart in the end is apart."""
    others = [event(f"o{n}", user_id=f"U{n}", anonymous_id=f"d{n}") for n in range(12)]
    await feed(engine, others)
    later = [event(f"l{n}", anonymous_id=f"d{n}", email=f"{n}@example.com") for n in range(12)]
    pairs = [(("user_id", f"U{n}"), ("anonymous_id", f"d{n}")) for n in range(12)]

    async def decide(pair: tuple[Identifier, Identifier]) -> None:
        for _ in range(100):
            answer = await client.post("/v1/profiles/keep-apart", json=body(*pair))
            if answer.status_code != 503:  # it met with a batch's locks
                assert answer.status_code == 201
                return
        pytest.fail("refused again and again")

    await asyncio.gather(
        feed(engine, later[:6]), feed(engine, later[6:]), *(decide(pair) for pair in pairs)
    )
    await is_exact(engine, [*HISTORY, *others, *later], apart=pairs)
