"""Pools of mail servers: which mails go by which, and that one that is away holds no others'."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from services.campaign.tests.conftest import quick_settings
from services.campaign.tests.test_mail_servers import Mortal

from rapport_campaign import metrics
from rapport_campaign.domain.mail_pools import (
    MOST_RULES,
    MOST_SENDERS,
    MailPools,
    MailPoolsError,
    PoolRule,
    checked,
    class_of,
)
from rapport_campaign.domain.mail_servers import mail_servers
from rapport_campaign.handlers.mail_pools import Pools, away

NEWS = PoolRule(pool="news", senders=("shop.example",), mails="promotional")
PATH = "/v1/mail-pools"


def test_a_list_says_which_servers_are_in_which_pool() -> None:
    found = mail_servers("smtp://a news=smtp://b smtps://u:p=w@c x-1=smtp://d?pace=2")
    assert [(one.host, one.pool) for one in found] == [
        ("a", "default"),
        ("b", "news"),
        ("c", "news"),
        ("d", "x-1"),
    ]
    for wrong in ("news=", "News=smtp://a", "=smtp://a", "a=b=smtp://c"):
        with pytest.raises(ValueError, match="a mail server is"):
            mail_servers(wrong)
    settings = quick_settings(2525, smtp_servers="news=smtp://b")
    assert [(one.name, one.pool) for one in settings.mail_servers()] == [
        ("127.0.0.1:2525", "default"),
        ("b:25", "news"),
    ]
    assert settings.mail_pools() == ["default", "news"]


def test_the_first_rule_that_fits_counts() -> None:
    rules = MailPools(rules=(NEWS, PoolRule(pool="all", mails="promotional")))
    assert rules.pool("shop.example", class_of("promotion")) == "news"
    assert rules.pool("other.example", class_of("promotion")) == "all"
    assert rules.pool("shop.example", class_of("service")) == "default"
    assert rules.pool("shop.example", class_of(None)) == "default"


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ([PoolRule(pool="gone")], "rules[0].pool"),
        ([NEWS, PoolRule(pool="news", senders=("no domain",))], "rules[1].senders"),
        ([PoolRule(pool="news", senders=("a.example",) * (MOST_SENDERS + 1))], "rules[0].senders"),
        ([NEWS] * (MOST_RULES + 1), "rules"),
    ],
)
def test_rules_that_can_t_be_are_refused(rules: list[PoolRule], where: str) -> None:
    with pytest.raises(MailPoolsError) as caught:
        checked(rules, ["default", "news"])
    assert caught.value.where == where


def test_domains_are_compared_in_one_form() -> None:
    rules = checked([PoolRule(pool="news", senders=("Bücher.Example", "bücher.example"))], ["news"])
    assert rules.rules[0].senders == ("xn--bcher-kva.example",)


async def declared(scenario: Any, *rules: dict[str, Any], version: int = 0) -> Any:
    body = {"rules": list(rules), "version": version, "reason": "spring"}
    return await scenario.client.put(PATH, json=body)


@pytest.mark.integration
async def test_who_works_on_the_installation_says_which_mails_go_by_which(scenario: Any) -> None:
    rule = {"pool": "default", "senders": ["shop.example"], "mails": "promotional"}
    body = {"rules": [rule], "version": 0, "reason": "spring"}
    async with scenario.client_of("acme", ("campaigns:write",)) as writer:
        refused = await writer.put(PATH, json=body)
    assert (refused.status_code, refused.json()["details"]) == (403, {"needed": "installation"})
    told = (await scenario.client.get(PATH)).json()
    assert (told["version"], told["rules"], told["pools"]) == (0, [], ["default"])
    unknown = await declared(scenario, {"pool": "none"})
    assert (unknown.status_code, unknown.json()["details"]) == (422, {"field": "rules[0].pool"})
    assert (await declared(scenario, rule)).json()["rules"] == [rule]
    assert (await declared(scenario, rule)).status_code == 409
    assert (await declared(scenario, version=1)).json()["version"] == 2
    history = (await scenario.client.get(f"{PATH}/history")).json()["items"]
    assert [one["rules"] for one in history] == [[], [rule]]
    async with scenario.client_of("other") as stranger:
        assert (await stranger.get(PATH)).json()["version"] == 0


@pytest.fixture
async def news() -> AsyncIterator[Mortal]:
    server = Mortal()
    await server.start()
    yield server
    await server.stop()


async def written(scenario: Any, rule: PoolRule) -> None:
    """A rule of a pool that the API of this test has not."""
    await scenario.ledger.change(
        "INSERT INTO campaign.mail_pool_rules (workspace, version, rules, actor, reason) VALUES "
        f'(\'acme\', 1, \'{{"rules": [{{"pool": "{rule.pool}", "senders": ["shop.example"], '
        "\"mails\": \"promotional\"}]}', 'ada', 'spring')"
    )


@pytest.mark.integration
async def test_a_pool_that_dies_holds_its_own_mails_and_no_others(
    scenario: Any, news: Mortal
) -> None:
    await written(scenario, NEWS)
    promoted = await scenario.started()
    service = await scenario.started(purpose="service", name="Orders")
    for one in range(6):
        await scenario.topics.person(f"p{one}", f"user{one}@example.com")
    await scenario.topics.entered("p0")
    pools = {"smtp_servers": f"news=smtp://127.0.0.1:{news.port}?connections=1"}

    async def sent() -> None:
        while await scenario.turn(**pools):
            pass

    await sent()
    assert (len(news.mails), len(scenario.mail_server.mails)) == (1, 1)
    await news.die()
    for one in range(1, 6):
        await scenario.topics.entered(f"p{one}")
    test = await scenario.client.post(
        f"/v1/campaigns/{promoted}/test", json={"to": "me@shop.example"}
    )
    assert test.status_code == 202, test.text
    await sent()
    assert len(scenario.mail_server.mails) == 6
    assert metrics.POOL_AWAY.labels("news")._value.get() == 1
    assert metrics.POOL_AWAY.labels("default")._value.get() == 0
    rows = {row["state"]: row for row in await scenario.ledger.rows(f"campaign_id='{promoted}'")}
    assert rows["planned"]["attempt"] == 0
    states = await scenario.ledger.states()
    assert states == {"sent": 7, "planned": 6}, "five of the news, and the test of them"
    [held] = await scenario.ledger.query("SELECT reason FROM campaign.plan WHERE kind = 'test'")
    assert held["reason"] == away("news")
    await news.start(news.port)
    await scenario.ledger.change("UPDATE campaign.plan SET due_at = now()")
    await sent()
    assert await scenario.ledger.states() == {"sent": 13}
    assert (len(news.mails), len(scenario.mail_server.mails)) == (7, 6)
    taken = metrics.POOL_MAILS.labels("news", "sent")._value.get()
    assert taken >= 7
    assert all(row["attempt"] == 1 for row in await scenario.ledger.rows())
    assert service != promoted


@pytest.mark.integration
async def test_a_pool_that_dies_in_a_batch_gives_back_what_it_has_not_begun(
    scenario: Any, news: Mortal
) -> None:
    """And the rest of the batch goes, by the other pool."""
    await written(scenario, NEWS)
    await scenario.started()
    await scenario.started(purpose="service", name="Orders")
    for one in range(3):
        await scenario.topics.person(
            f"p{one}", "lost+x@example.com" if one == 0 else f"u{one}@x.example"
        )
        await scenario.topics.entered(f"p{one}")
    pools = {"smtp_servers": f"news=smtp://127.0.0.1:{news.port}?connections=1"}
    await scenario.turn(**pools)
    await scenario.turn(**pools)
    states = await scenario.ledger.states()
    assert states["sent"] + states["uncertain"] == 6


@pytest.mark.integration
async def test_a_pool_that_there_is_not_holds_its_mails(scenario: Any) -> None:
    """A rule may be younger than the settings of a process, or older."""
    await written(scenario, PoolRule(pool="gone"))
    await scenario.started()
    await scenario.topics.person("p1", "a@example.com")
    await scenario.topics.entered("p1")
    await scenario.turn()
    assert await scenario.ledger.states() == {"planned": 1}
    pools = Pools(["default"], seconds=lambda: 0.0)
    async with scenario.engine.begin() as tx:
        assert len(await pools.closed(tx, ())) == 1
        await scenario.ledger.change("DELETE FROM campaign.mail_pool_rules")
        assert len(await pools.closed(tx, ())) == 1, "believed for a second"
