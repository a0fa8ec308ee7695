"""What a yes needs to count, by its purpose: in any order, and of what was said before."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.profile.tests.people import IDS, START, event
from services.profile.tests.postgres import feed
from services.profile.tests.test_consent_facts import ADA, HERE, at, word
from services.profile.tests.test_consents_api import DAY, Ends, get
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import waiting

from rapport_common.events.consent import LEGAL_BASES
from rapport_common.events.envelope import Event
from rapport_common.events.needs import ConsentNeeds
from rapport_common.events.profile import ConsentState
from rapport_common.jobs.worker import Jobs
from rapport_common.pace import Pace
from rapport_profile.domain.consent_facts import Fact, fact_of, joined
from rapport_profile.domain.consent_history import explained, states_at
from rapport_profile.domain.consent_rules import ConsentRules, PurposeRule, checked
from rapport_profile.domain.consents import consent_key
from rapport_profile.domain.folding import fold_all, merge
from rapport_profile.domain.judge import Judge
from rapport_profile.domain.rules import RulesError
from rapport_profile.handlers.rebuilding import Rebuilding
from rapport_profile.store.jobs import JOBS, REBUILD
from rapport_profile.store.rules import RuleShelf

ADDRESS = event("a", type="identify", user_id="U", traits={"email": ADA})
BY_MAIL = ConsentRules({"promotion": PurposeRule(double_opt_in=True)})


def fact(one: Event, rules: ConsentRules) -> Fact:
    found = fact_of(one, str, rules)
    assert found is not None
    return found


def held(history: list[Event], rules: ConsentRules) -> list[ConsentState]:
    return fold_all(history, Judge(consents=rules)).consent_states()


def permits(one: ConsentState) -> bool:
    return one.state == "granted" and one.lacks is None


rules_of_purposes = st.dictionaries(
    st.sampled_from(["promotion", "survey"]),
    st.builds(
        PurposeRule,
        double_opt_in=st.booleans(),
        wording_version=st.booleans(),
        days=st.sampled_from([None, 1]),
    ),
).map(ConsentRules)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Words of pages, forms, servers, mails and imports, with times that collide."""
    words = []
    for number in range(draw(st.integers(1, 6))):
        method = draw(st.sampled_from([None, "form", "double_opt_in", "preferences"]))
        wording = draw(st.sampled_from([None, "v1"]))
        said = {"method": method, "wording_version": wording}
        words.append(
            word(
                f"m{number}",
                draw(st.sampled_from(["granted", "granted", "denied"])),
                at=draw(st.integers(0, 4)),
                ends=draw(st.sampled_from([None, 3])),
                trust=draw(st.sampled_from(["trusted", "public"])),
                purpose=draw(st.sampled_from(["promotion", "survey"])),
                historic=draw(st.booleans()),
                received=draw(st.sampled_from([4, 5])),
                more={name: one for name, one in said.items() if one},
            )
        )
    return [ADDRESS, *words]


@given(histories(), rules_of_purposes, st.randoms(use_true_random=False), st.integers(0, 6))
def test_what_holds_does_not_depend_on_order_nor_on_merges(
    history: list[Event], rules: ConsentRules, chance: Any, cut: int
) -> None:
    shuffled = list(history)
    chance.shuffle(shuffled)
    judge, whole = Judge(consents=rules), held(history, rules)
    parts = [fold_all(shuffled[:cut], judge), fold_all(shuffled[cut:], judge)]
    assert merge(parts).consent_states() == whole == held(shuffled, rules)


@given(histories(), rules_of_purposes, st.integers(0, 9))
def test_facts_amount_to_what_the_fold_says_and_rules_permit_nothing_more(
    history: list[Event], rules: ConsentRules, now: int
) -> None:
    folded = fold_all(history, Judge(consents=rules)).consents
    facts = [fact(one, rules) for one in history[1:]]
    for subject in {one.subject for one in facts}:
        about = [one for one in facts if one.subject == subject]
        assert joined(about) == folded[consent_key(subject)]
    plain = states_at([fact(one, ConsentRules()) for one in history[1:]], at(now), "now", HERE)
    ruled = states_at(facts, at(now), "now", HERE)
    assert {one.purpose for one in ruled if permits(one)} <= {
        one.purpose for one in plain if permits(one)
    }
    refused = {one.purpose for one in plain if one.state != "granted" and not one.expired}
    assert not {one.purpose for one in ruled if permits(one)} & refused


@given(histories(), rules_of_purposes)
def test_what_retention_removed_counts_no_more_than_what_is_there(
    history: list[Event], rules: ConsentRules
) -> None:
    """Nothing that lacks something comes to count, and what was proven counts."""
    anew = fold_all(history).weighed_anew(Judge(consents=rules)).consent_states()
    assert {one.purpose for one in anew if permits(one)} <= {
        one.purpose for one in held(history, rules) if permits(one)
    } | {name for name, one in rules.purposes.items() if one.days is not None}


def proven(message: str, **fields: Any) -> Event:
    return word(message, more={"method": "double_opt_in", "wording_version": "v1"}, **fields)


@pytest.mark.parametrize(
    ("yes", "lacks"),
    [
        (word("p", trust="public"), "double_opt_in"),
        (word("p", trust="public", more={"method": "double_opt_in"}), "double_opt_in"),
        (word("o", more={"method": ["form"]}), "proof"),
        (word("o", more={"method": {"double_opt_in": 1}}), "proof"),
        (word("f", more={"method": "form"}), "double_opt_in"),
        (word("l", more={"method": "link"}, source="campaign"), "double_opt_in"),
        # Nobody was there to be asked.
        (word("s"), "proof"),
        (word("i", historic=True, more={"method": "form"}), "proof"),
        (word("n", more={"method": "operator"}, source="profile"), "proof"),
        (proven("d"), None),
        (word("m", more={"method": "preferences"}, source="campaign"), None),
    ],
)
def test_a_yes_counts_when_the_owner_of_the_address_has_confirmed_it(
    yes: Event, lacks: str | None
) -> None:
    (one,) = held([ADDRESS, yes], BY_MAIL)
    assert (one.state, one.lacks) == ("granted", lacks)
    assert one.asked_at == (one.at if lacks == "double_opt_in" else None)
    (with_another,) = held([ADDRESS, yes, proven("q", at=-9)], BY_MAIL)
    assert permits(with_another), "what counts already is taken back by none that does not"
    assert with_another.asked_at is None
    no = word("no", "denied", at=-8)
    (refused,) = held([ADDRESS, yes, no], BY_MAIL)
    assert (refused.state == "denied") == (lacks is not None)
    assert refused.asked_at == one.asked_at, "who comes back is asked"
    (later,) = held([ADDRESS, yes, word("no", "denied", at=8)], BY_MAIL)
    assert (later.state, later.asked_at) == ("denied", None)


def test_an_address_of_nobody_is_not_asked() -> None:
    assert held([word("p", trust="public")], BY_MAIL) == []


def test_a_yes_that_lacks_something_is_heard_after_one_that_has_ended() -> None:
    ended = proven("d", ends=1)
    over = word("x", "granted", trust="public", at=5)
    found = joined([fact(one, BY_MAIL) for one in (ended, over)])
    said = found.word(reachable=True, at=at(9))
    assert said is not None
    assert (said.said.lacks, said.asked, said.expired) == ("double_opt_in", said.said, False)
    before = joined([fact(one, BY_MAIL) for one in (ended, word("y", trust="public", at=-5))])
    held_ = before.word(reachable=True, at=at(9))
    assert held_ is not None
    assert held_.expired
    undated = joined([fact(word("u", historic=True, received=0), ConsentRules())])
    both = undated.join(fact(word("p", trust="public", at=3), BY_MAIL).consent)
    shown = both.word(reachable=True)
    assert shown is not None
    assert (shown.said.lacks, shown.asked) == (None, None)


def test_of_each_purpose_goes_what_was_declared_for_it() -> None:
    rules = ConsentRules(
        {
            "promotion": PurposeRule(days=10, legal_basis="consent"),
            "survey": PurposeRule(wording_version=True),
        }
    )
    yes, survey = word("y"), word("s", purpose="survey")
    promotion, asked = held([yes, survey, ADDRESS], rules)
    assert (promotion.expires_at, promotion.lacks) == (at(10 * DAY), None)
    assert (asked.lacks, asked.asked_at) == ("wording_version", None)
    assert fact(yes, rules).legal_basis == "consent"
    stated = word("z", ends=5, more={"legal_basis": "contract", "wording_version": "v"})
    assert (fact(stated, rules).expires_at, fact(stated, rules).legal_basis) == (at(5), "contract")
    no = fact(word("n", "denied"), rules)
    assert (no.expires_at, no.lacks, no.legal_basis) == (None, None, "consent")
    far = msg_at_the_end_of_time()
    assert fact(far, ConsentRules({"promotion": PurposeRule(days=36_500)})).expires_at is None
    sms = event(
        "t",
        name="Consent Updated",
        user_id="U",
        said={
            "channel": "sms",
            "purpose": "promotion",
            "contact_point": "+4917012345678",
            "state": "granted",
        },
    )
    assert fact(sms, BY_MAIL).lacks is None, "no mail confirms it"


def msg_at_the_end_of_time() -> Event:
    minutes = (9990 - START.year) * 365.2425 * DAY
    return word("far", at=minutes, received=minutes)


def test_every_word_is_told_what_it_lacks() -> None:
    page, form = fact(word("p", trust="public"), BY_MAIL), fact(word("s", at=-1), BY_MAIL)
    answer = explained({page.subject: joined([page, form])}, [page, form], HERE, at(9), "now")
    assert not answer.permitted
    assert [one.standing for one in answer.words] == ["double_opt_in", "proof"]


@pytest.mark.parametrize(
    ("purposes", "where"),
    [
        ({"all": PurposeRule()}, "purposes.all"),
        ({"tea": PurposeRule()}, "purposes.tea"),
        ({"promotion": PurposeRule(), "Marketing": PurposeRule()}, "purposes.Marketing"),
        ({"survey": PurposeRule(legal_basis="x")}, "purposes.survey.legal_basis"),
        ({"survey": PurposeRule(days=0)}, "purposes.survey.days"),
        ({f"x_{n}": PurposeRule() for n in range(201)}, "purposes"),
    ],
)
def test_rules_that_cannot_be_say_where(purposes: dict[str, PurposeRule], where: str) -> None:
    with pytest.raises(RulesError) as refused:
        checked(ConsentRules(purposes))
    assert refused.value.where == where


def test_purposes_have_one_form() -> None:
    rule = PurposeRule(legal_basis=LEGAL_BASES[0], days=1)
    assert checked(ConsentRules({"Marketing Emails": rule})) == ConsentRules({"promotion": rule})


@pytest.mark.parametrize(
    ("rule", "needs"),
    [
        (PurposeRule(double_opt_in=True), True),
        (PurposeRule(wording_version=True), True),
        (PurposeRule(legal_basis="consent"), True),
        (PurposeRule(legal_basis="legitimate_interest", days=5), False),
        (PurposeRule(), False),
    ],
)
def test_what_a_yes_lacks_silence_lacks(rule: PurposeRule, *, needs: bool) -> None:
    assert rule.needs_a_yes is needs


def test_the_purposes_that_need_a_yes_are_told_in_order() -> None:
    strict = PurposeRule(double_opt_in=True)
    rules = ConsentRules({"survey": strict, "news": PurposeRule(days=1), "promotion": strict})
    assert rules.needing_a_yes() == ["promotion", "survey"]


async def declare(client: httpx.AsyncClient, version: int, **purposes: Any) -> httpx.Response:
    body = {"purposes": purposes, "version": version, "reason": "the lawyer says so"}
    return await client.put("/v1/consent-rules", json=body)


async def work_off(engine: AsyncEngine) -> None:
    work = Rebuilding(engine, IDS, 1_000, lambda _seconds: Pace(0), page=2)
    assert await Jobs(engine, JOBS, {REBUILD: work.work}).turn(asyncio.Event())


@pytest.mark.integration
async def test_rules_go_for_what_was_said_before_and_for_what_comes(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    """And back: nothing is lost by a rule."""
    said = [ADDRESS, word("s", at=1), word("v", purpose="survey"), proven("d", purpose="research")]
    await feed(engine, said)
    rule = {"double_opt_in": True, "legal_basis": "consent"}
    made = await declare(client, 0, promotion=rule, research=rule, survey={"days": 5})
    assert made.status_code == 202, made.text
    assert (made.json()["version"], made.json()["actor"]) == (1, "ada")
    await work_off(engine)
    items = {one["purpose"]: one for one in (await get(client, ""))["items"]}
    assert items["promotion"]["lacks"] == "proof"
    assert "lacks" not in items["research"] or items["research"]["lacks"] is None
    assert items["survey"]["expires_at"] == "2026-01-06T00:00:00Z"
    why = await get(client, "/why", contact_point=ADA)
    assert (why["permitted"], why["words"][0]["standing"]) == (False, "proof")
    assert why["words"][0]["legal_basis"] == "consent"
    async with engine.begin() as tx:
        book = await RuleShelf().book(tx, {"w"})
        ahead = "SELECT count(*) FROM profile.due WHERE kind"
        assert await tx.scalar(text(f"{ahead} <> 'tell_needs'")) == 1
        assert await tx.scalar(text(f"{ahead} = 'tell_needs'")) == 1
    await feed(engine, [word("p", at=2, trust="public")], book)
    (held_,) = [one for one in (await get(client, ""))["items"] if one["purpose"] == "promotion"]
    assert (held_["lacks"], held_["asked_at"]) == ("double_opt_in", "2026-01-01T00:02:00Z")
    assert (await declare(client, 0)).status_code == 409
    assert (await declare(client, 1)).status_code == 202
    await work_off(engine)
    items = {one["purpose"]: one for one in (await get(client, ""))["items"]}
    assert all(one.get("lacks") is None for one in items.values())
    assert items["survey"].get("expires_at") is None
    words = (await get(client, "/words"))["items"]
    assert all(one["lacks"] is None for one in words)
    async with engine.begin() as tx:
        told = [
            msgspec.json.decode(one.value, type=ConsentNeeds)
            for one in await waiting(tx, "profile", "consent.needs")
        ]
    needed = [(one.version, one.purposes) for one in told]
    assert needed == [(1, ["promotion", "research"]), (2, [])]
    shown = (await client.get("/v1/consent-rules")).json()
    assert (shown["version"], shown["purposes"]) == (2, {})
    assert len((await client.get("/v1/consent-rules/history")).json()["items"]) == 2


@pytest.mark.integration
async def test_an_end_by_the_rules_is_told(engine: AsyncEngine, client: httpx.AsyncClient) -> None:
    await feed(engine, [ADDRESS, word("y")])
    await declare(client, 0, promotion={"days": 1})
    await work_off(engine)
    ends = Ends(engine)
    assert await ends.reach(DAY - 1) == []
    assert [one.timestamp for one in await ends.reach(DAY)] == [at(DAY)]


@pytest.mark.integration
@pytest.mark.parametrize(
    "purposes",
    [
        {"all": {}},
        {"promotion": {"days": 0}},
        {"promotion": {"days": "1"}},
        {"promotion": {"legal_basis": "x"}},
        {"promotion": {"more": 1}},
    ],
)
async def test_what_cannot_be_declared_is_refused(
    client: httpx.AsyncClient, purposes: dict[str, Any]
) -> None:
    assert (await declare(client, 0, **purposes)).status_code == 422
