"""What is signed and sealed is what the documents' examples say."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from services.campaign.tests.vendors.pushing import EC, OTHER_RSA, pem

from rapport_campaign.channels import aliyun, tencent
from rapport_campaign.channels.contract import AccountError
from rapport_campaign.channels.encryption import (
    Subscription,
    SubscriptionError,
    point,
    sealed,
    subscription,
    unpadded,
)
from rapport_campaign.channels.http import Http
from rapport_campaign.channels.tokens import ec_key, rsa_key
from rapport_campaign.channels.web_push import WebPush
from rapport_campaign.domain.providers import VENDORS, UnusableAccountError, completed, fields_of


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_web_push_is_sealed_as_in_rfc_8291() -> None:
    """Its section 5 and appendix A."""
    one = Subscription(
        "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        raw(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        raw("BTBZMqHH6r4Tts7J_aSIgg"),
    )
    number = int.from_bytes(raw("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = sealed(
        one,
        b"When I grow up, I want to be a watermelon",
        derive_private_key(number, SECP256R1()),
        raw("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert unpadded(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6T"
        "lzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4"
        "a-fN"
    )


def test_alibaba_cloud_signs_as_in_its_documentation() -> None:
    query = {
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        "RegionId": "cn-shanghai",
    }
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-version": "2014-05-26",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    }
    at = datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC)
    key = ("YourAccessKeyId", "YourAccessKeySecret")
    assert aliyun.sign("POST", query, headers, key, at)["authorization"].endswith(
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_tencent_cloud_signs_as_in_its_documentation() -> None:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "host": "cvm.tencentcloudapi.com",
    }
    body = (
        rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    )
    at = datetime.fromtimestamp(1551113065, UTC)
    key = ("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE")
    told = tencent.authorization("cvm", headers, body, key, at)
    assert told == (
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/"
        "tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )
    # A later edition signs the action, too, in small letters; its key is masked, and signs so.
    masked = (key[0], "Gu5t9xGARNpq86cd98joQYCN3*******")
    told = tencent.authorization(
        "cvm", {**headers, "x-tc-action": "describeinstances"}, body, masked, at
    )
    assert told.endswith("be4f67d323c78ab9acb7395e43c0dbcf822a9cfac32fea2449a7bc7726b770a3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "x",
        '{"endpoint": "https://a.example", "keys": {"p256dh": "AA", "auth": "AA"}}',
    ],
)
def test_what_is_no_subscription_is_told(text: str) -> None:
    with pytest.raises(SubscriptionError):
        subscription(text)


@pytest.mark.parametrize("endpoint", ["https://[", "https://[foo]/", "https://a\uff03b/"])
def test_an_endpoint_that_is_no_address_is_told(endpoint: str) -> None:
    told = {
        "p256dh": unpadded(point(derive_private_key(1, SECP256R1()))),
        "auth": unpadded(bytes(16)),
    }
    with pytest.raises(SubscriptionError):
        subscription(json.dumps({"endpoint": endpoint, "keys": told}))


def test_a_key_of_another_kind_is_told_without_being_shown() -> None:
    for read, text in ((ec_key, pem(OTHER_RSA)), (rsa_key, pem(EC)), (ec_key, "x"), (rsa_key, "")):
        with pytest.raises(AccountError, match="private key is none"):
            read(text)


async def test_the_key_that_pages_subscribe_with() -> None:
    one = WebPush(Http(), {"subject": "mailto:it@shop.example"}, {"private_key": pem(EC)})
    assert len(raw(one.public_key)) == 65


def test_what_an_account_needs_is_told() -> None:
    twilio = VENDORS["twilio"]
    good = {"account_sid": "AC" + "0" * 32, "from": "Shop"}
    assert completed(fields_of(twilio), good)["key_sid"] == ""
    for given, place in (
        ({"from": "Shop"}, "account_sid"),
        ({**good, "account_sid": "AC1"}, "account_sid"),
        ({**good, "from": "a\nb"}, "from"),
        ({**good, "other": "x"}, "other"),
        ({**good, "base_url": "ftp://x"}, "base_url"),
    ):
        with pytest.raises(UnusableAccountError) as caught:
            completed(fields_of(twilio), given)
        assert caught.value.place == place
    with pytest.raises(UnusableAccountError) as caught:
        completed(VENDORS["fcm"].secrets, {"private_key": "secret words"})
    assert "secret words" not in str(caught.value)
    assert "base_url" not in fields_of(VENDORS["webhook"])
