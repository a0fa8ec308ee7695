"""What vendors post: believed by signatures of theirs only, and read without a crash."""

import base64
import hmac
import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from services.campaign.tests.conftest import PUBLIC, publisher, quick_settings
from services.campaign.tests.vendor_posts import (
    EC_KEY,
    NAME,
    NOW,
    PEM,
    RSA_KEY,
    SECRETS,
    TOKEN,
    URL,
    certificate,
    mailgun_post,
    mailgun_said,
    postmark_post,
    postmark_said,
    sendgrid_post,
    sendgrid_said,
    ses_bounce_said,
    ses_post,
    ses_said,
    standard_post,
    twilio_post,
    twilio_said,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.api import patient_app

from rapport_campaign.api.hooks import MAX_BODY, hook_addresses
from rapport_campaign.domain import own_events, returning
from rapport_campaign.domain.vendors import READERS, Vendor, ses
from rapport_campaign.domain.vendors.posts import Post, Secret
from rapport_campaign.domain.vendors.twilio import is_stop
from rapport_campaign.fetching import Certificates
from rapport_campaign.handlers.hooks import Hooks
from rapport_campaign.handlers.outcomes import Outcomes
from rapport_common import clock
from rapport_common.routes import add_routes
from rapport_common.testing.credentials import LINK_KEY
from rapport_common.testing.examples import examples

SAID: list[tuple[Vendor, Post, tuple[str, str] | None]] = [
    ("standard", standard_post([{"message": NAME, "kind": "delivered"}]), ("delivered", "")),
    (
        "standard",
        standard_post([{"message": f"b+{TOKEN}@x.example", "kind": "bounced", "class": "hard"}]),
        ("bounced", "hard"),
    ),
    ("mailgun", mailgun_post(mailgun_said("delivered")), ("delivered", "")),
    ("mailgun", mailgun_post(mailgun_said("complained")), ("complained", "")),
    ("mailgun", mailgun_post(mailgun_said("failed", severity="temporary")), ("delayed", "")),
    (
        "mailgun",
        mailgun_post(
            mailgun_said(
                "failed",
                severity="permanent",
                **{"delivery-status": {"code": 550, "message": "5.1.1 no such user"}},
            )
        ),
        ("bounced", "hard"),
    ),
    (
        "mailgun",
        mailgun_post(mailgun_said("failed", severity="permanent", reason="old")),
        ("bounced", "soft"),
    ),
    ("mailgun", mailgun_post(mailgun_said("opened")), None),
    ("postmark", postmark_post(postmark_said("Delivery")), ("delivered", "")),
    ("postmark", postmark_post(postmark_said("Bounce", Type="HardBounce")), ("bounced", "hard")),
    ("postmark", postmark_post(postmark_said("Bounce", Type="SoftBounce")), ("bounced", "soft")),
    ("postmark", postmark_post(postmark_said("Bounce", Type="Blocked")), ("bounced", "blocked")),
    (
        "postmark",
        postmark_post(postmark_said("Bounce", Type="AutoResponder")),
        ("auto_replied", ""),
    ),
    ("postmark", postmark_post(postmark_said("SpamComplaint")), ("complained", "")),
    ("postmark", postmark_post(postmark_said("Bounce", Type="Unsubscribe")), ("complained", "")),
    ("postmark", postmark_post(postmark_said("Bounce", Type=True)), ("bounced", "soft")),
    ("postmark", postmark_post(postmark_said("Open")), None),
    ("sendgrid", sendgrid_post(sendgrid_said("delivered")), ("delivered", "")),
    ("sendgrid", sendgrid_post(sendgrid_said("deferred")), ("delayed", "")),
    ("sendgrid", sendgrid_post(sendgrid_said("spamreport")), ("complained", "")),
    (
        "sendgrid",
        sendgrid_post(sendgrid_said("bounce", type="bounce", status="5.1.1", reason="550 x")),
        ("bounced", "hard"),
    ),
    ("sendgrid", sendgrid_post(sendgrid_said("bounce", type="blocked")), ("bounced", "blocked")),
    (
        "sendgrid",
        sendgrid_post(sendgrid_said("dropped", reason="Bounced Address")),
        ("bounced", "hard"),
    ),
    (
        "sendgrid",
        sendgrid_post(sendgrid_said("dropped", reason="Unsubscribed Address")),
        ("complained", ""),
    ),
    (
        "sendgrid",
        sendgrid_post(sendgrid_said("dropped", reason="Invalid SMTPAPI header")),
        ("bounced", "blocked"),
    ),
    ("sendgrid", sendgrid_post(sendgrid_said("open")), None),
    ("ses", ses_post(ses_said("Delivery")), ("delivered", "")),
    ("ses", ses_post(ses_said("Delivery"), SignatureVersion="1"), ("delivered", "")),
    ("ses", ses_post(ses_said("Complaint")), ("complained", "")),
    ("ses", ses_post(ses_said("Complaint", complaint={"complaintFeedbackType": "not-spam"})), None),
    ("ses", ses_post(ses_said("DeliveryDelay")), ("delayed", "")),
    ("ses", ses_post(ses_bounce_said("Permanent", "NoEmail", status="5.1.1")), ("bounced", "hard")),
    (
        "ses",
        ses_post(ses_bounce_said("Permanent", "General", status="5.7.1", diagnosticCode="spam")),
        ("bounced", "blocked"),
    ),
    ("ses", ses_post(ses_bounce_said("Transient", "MailboxFull")), ("bounced", "soft")),
    ("ses", ses_post(ses_bounce_said("Transient", "ContentRejected")), ("bounced", "blocked")),
    ("ses", ses_post(ses_bounce_said("Undetermined", "Undetermined")), ("bounced", "unclear")),
    ("ses", ses_post("Successfully validated SNS topic"), None),
    ("twilio", twilio_post(twilio_said("delivered")), ("delivered", "")),
    ("twilio", twilio_post(twilio_said("undelivered", "30005")), ("bounced", "hard")),
    ("twilio", twilio_post(twilio_said("undelivered", "30003")), ("bounced", "soft")),
    ("twilio", twilio_post(twilio_said("failed", "30007")), ("bounced", "blocked")),
    ("twilio", twilio_post(twilio_said("failed", "99999")), ("bounced", "unclear")),
    ("twilio", twilio_post(twilio_said("failed", "21610")), ("complained", "")),
    ("twilio", twilio_post(twilio_said("sent")), None),
]


@pytest.mark.parametrize(("vendor", "post", "found"), SAID)
def test_what_a_post_says(vendor: Vendor, post: Post, found: tuple[str, str] | None) -> None:
    reader = READERS[vendor]
    assert reader.refusal(post, SECRETS[vendor]) is None
    told = reader.told(post)
    if found is None:
        assert told == []
        return
    (one,) = told
    assert one.report is not None
    assert (one.report.kind, one.report.grade) == found
    assert one.said == [returning.read(TOKEN)]


FIRST: dict[Vendor, Post] = {vendor: post for vendor, post, _ in reversed(SAID)}


@pytest.mark.parametrize("vendor", READERS)
def test_a_post_of_somebody_else_is_refused(vendor: Vendor) -> None:
    """With another secret, without a signature, with another body, or of another time."""
    post, refusal = FIRST[vendor], READERS[vendor].refusal
    other_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = other_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    other = base64.b64encode(der).decode() if vendor == "sendgrid" else "other"
    assert refusal(post, Secret(other, "arn:other"))
    if vendor == "ses":
        forged = certificate(rsa.generate_private_key(65537, 2048))
        for pem in (forged, b"", b"x"):
            assert refusal(Post(post.url, {}, post.body, NOW, pem), SECRETS[vendor])
    else:
        body = post.body.replace(b"signature", b"nothing") if vendor == "mailgun" else post.body
        assert refusal(Post(post.url, {}, body, NOW), SECRETS[vendor])
    if vendor not in {"mailgun", "postmark"}:
        # What these two sign, or do not, is told in their modules.
        body = post.body.replace(b"delivered", b"bouncedx").replace(b"Delivery", b"Bouncexx")
        assert body != post.body
        assert refusal(Post(post.url, post.headers, body, NOW, PEM), SECRETS[vendor])
    if vendor not in {"postmark", "twilio"}:
        for at in (NOW + 86_400, NOW - 86_400):
            old = Post(post.url, post.headers, post.body, at, PEM)
            assert refusal(old, SECRETS[vendor])


def test_a_secret_or_a_certificate_of_another_kind_proves_nothing() -> None:
    der = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secret = Secret(base64.b64encode(der).decode())
    assert READERS["sendgrid"].refusal(FIRST["sendgrid"], secret)
    of_curve = Post("", {}, FIRST["ses"].body, NOW, certificate(EC_KEY))
    assert READERS["ses"].refusal(of_curve, SECRETS["ses"])
    for changes in ({"Timestamp": "yesterday"}, {"SignatureVersion": "3"}):
        assert READERS["ses"].refusal(ses_post("x", NOW, **changes), SECRETS["ses"])
    assert READERS["standard"].refusal(FIRST["standard"], Secret("whsec_é"))


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ([], "the body is"),
        ({"outcomes": {}}, "the body is"),
        ({"outcomes": [{"kind": "opened"}]}, r"outcomes\[0\]"),
        ({"outcomes": [{"kind": "delivered", "class": "hard"}]}, r"outcomes\[0\]"),
        ({"outcomes": [{"kind": "bounced"}]}, r"outcomes\[0\]"),
    ],
)
def test_what_is_no_outcome_is_told_with_its_place(said: Any, where: str) -> None:
    with pytest.raises(ValueError, match=where):
        READERS["standard"].told(standard_post(json.dumps(said).encode()))


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"From": "+8613812345678", "Body": "退订"}, "+8613812345678"),
        ({"From": "+8613812345678", "Body": "x", "OptOutType": "STOP"}, "+8613812345678"),
        ({"From": "+8613812345678", "Body": "thanks"}, None),
        ({"From": "client:ada", "Body": "STOP"}, None),
    ],
)
def test_what_comes_in_ends_it_or_does_not(fields: dict[str, str], number: str | None) -> None:
    told = READERS["twilio"].told(twilio_post({"MessageSid": "SM2", **fields}))
    assert [one.stop for one in told] == ([number] if number else [])
    if number:
        event = own_events.stopped("acme", number, told[0].mark, clock.now())
        again = own_events.stopped("acme", number, "SM3", clock.now())
        assert event.message_id != again.message_id


def test_twilios_signature_is_over_the_address_too() -> None:
    post = twilio_post(twilio_said("delivered"))
    other = Post(URL.replace(TOKEN, "x"), post.headers, post.body, NOW)
    assert READERS["twilio"].refusal(other, SECRETS["twilio"])


def test_twilios_own_example() -> None:
    """The example of their page on security."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    told = {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    post = Post(url, told, urlencode(fields).encode(), NOW)
    assert READERS["twilio"].refusal(post, Secret("12345")) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://s3.eu-west-1.amazonaws.com/bucket/x.pem",
        "https://[::1/x.pem",
        "",
    ],
)
def test_nothing_but_amazons_is_fetched(url: str) -> None:
    body = ses_post("x", SigningCertURL=url).body
    assert ses.certificate_url(body) is None
    asked = json.dumps({"Type": ses.CONFIRM, "SubscribeURL": url}).encode()
    assert ses.confirmation(asked) is None


def test_a_certificate_is_a_pem() -> None:
    url = "https://sns.cn-north-1.amazonaws.com.cn/x"
    assert ses.certificate_url(ses_post("x", SigningCertURL=url).body) is None
    assert ses.certificate_url(ses_post("x", SigningCertURL=f"{url}.pem").body) == f"{url}.pem"


@pytest.mark.parametrize(
    "text", ["STOP", " stop. ", "退订", "退订。", "Unsubscribe!", "ＳＴＯＰ", "TD"]
)
def test_words_that_end_it(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["", "please do not stop", "don't", "stop it now", "取消订单"])
def test_other_words_do_not(text: str) -> None:
    assert not is_stop(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "event",
                        "event-data",
                        "signature",
                        "outcomes",
                        "kind",
                        "class",
                        "message",
                        "Type",
                    ),
                    *(
                        "Message",
                        "bounce",
                        "bouncedRecipients",
                        "notificationType",
                        "RecordType",
                        "id",
                    ),
                ]
            ),
            inner
            | st.sampled_from(
                ["bounced", "Bounce", "Notification", "failed", "complained", "bounce"]
            ),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON, st.binary(max_size=60))
@settings(max_examples=examples(200))
def test_no_body_is_worth_a_crash(said: Any, raw: bytes) -> None:
    """A ValueError is a 422; nothing else is raised, by whatever is believed."""
    event = json.dumps(said).encode()
    wrapped = json.dumps({"Type": "Notification", "Message": json.dumps(said)}).encode()
    for body in (event, wrapped, raw, b"[" * 5000):
        post = Post(URL, {"webhook-timestamp": "nan", "authorization": "Basic é"}, body, NOW)
        for vendor, reader in READERS.items():
            with suppress(ValueError):
                reader.refusal(post, SECRETS[vendor])
            with suppress(ValueError):
                reader.told(post)
        with suppress(ValueError):
            ses.certificate_url(body)


# --- by the API -----------------------------------------------------------------------------------


@pytest.fixture
async def sent(scenario: Any) -> str:
    await scenario.started()
    await scenario.topics.person("p1", "ada@example.com", user_id="u1")
    await scenario.topics.entered("p1")
    await scenario.turn()
    (row,) = await scenario.ledger.rows()
    return returning.signed(LINK_KEY, "acme", row["send_key"])


@pytest.fixture
def fetched() -> list[str]:
    """What was asked of Amazon."""
    return []


@pytest.fixture
async def outside(engine: AsyncEngine, fetched: list[str]) -> Any:
    """A client of nobody's, for the addresses that vendors post to; Amazon is stood in for."""

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return PEM

    given = quick_settings(1)
    outcomes = Outcomes(publisher(), LINK_KEY)
    hooks = Hooks(engine, outcomes, given.secret_keys(), Certificates(fetch))
    app: FastAPI = patient_app("campaign")
    add_routes(app, hook_addresses(hooks, given))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as one:
        yield one


async def made(scenario: Any, vendor: Vendor, **more: str) -> dict[str, Any]:
    secret = SECRETS[vendor]
    body = {"vendor": vendor, "secret": secret.value, "topic": secret.topic, **more}
    answer = await scenario.client.post("/v1/hooks", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.integration
async def test_a_bounce_by_webhook_is_heeded_once(scenario: Any, sent: str, outside: Any) -> None:
    hook = await made(scenario, "standard")
    now = clock.now().timestamp()
    said = [
        {
            "message": f"<m.{sent}@shop.example>",
            "kind": "bounced",
            "class": "hard",
            "code": "5.1.1",
        },
        {"message": NAME, "kind": "delivered"},
    ]
    post = standard_post(said, now)
    for taken in (1, 0):
        answer = await outside.post(hook["url"], content=post.body, headers=post.headers)
        assert (answer.status_code, answer.json()) == (200, {"taken": taken, "ignored": 2 - taken})
    (row,) = (await scenario.client.get("/v1/outcomes?kind=bounced")).json()["items"]
    assert (row["grade"], row["source"], row["address"]) == ("hard", "webhook", "ada@example.com")
    rows = await scenario.ledger.query("SELECT DISTINCT reason FROM campaign.suppression")
    assert [one["reason"] for one in rows] == ["hard bounce"]
    (listed,) = (await scenario.client.get("/v1/hooks")).json()["items"]
    assert listed["last_at"] is not None
    assert "secret" not in listed
    forged = {**post.headers, "webhook-signature": "v1,AAAA"}
    answer = await outside.post(hook["url"], content=post.body, headers=forged)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


@pytest.mark.integration
async def test_a_hook_of_another_workspace_says_nothing_of_ours(
    scenario: Any, sent: str, outside: Any
) -> None:
    async with scenario.client_of("other") as client:
        hook = (await client.post("/v1/hooks", json={"vendor": "standard"})).json()
    key = base64.b64decode(hook["secret"].removeprefix("whsec_"))
    body = json.dumps({"outcomes": [{"message": f"m.{sent}@x", "kind": "complained"}]}).encode()
    stamp = str(int(clock.now().timestamp()))
    right = base64.b64encode(hmac.digest(key, f"1.{stamp}.".encode() + body, "sha256")).decode()
    told = {"webhook-id": "1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{right}"}
    answer = await outside.post(hook["url"], content=body, headers=told)
    assert answer.json() == {"taken": 0, "ignored": 1}
    assert (await scenario.client.get("/v1/outcomes")).json()["items"] == []


@pytest.mark.integration
async def test_amazon_is_confirmed_after_its_signature_only(
    scenario: Any, sent: str, outside: Any, fetched: list[str]
) -> None:
    hook, now = await made(scenario, "ses"), clock.now().timestamp()
    where = {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Confirm", "Token": "t"}
    right = ses_post("x", now, Type=ses.CONFIRM, **where)
    other = ses_post("x", now, Type=ses.CONFIRM, **{**where, "TopicArn": "arn:other"})
    for post in (other, Post("", {}, right.body.replace(b"Confirm", b"Steal", 1), now)):
        assert (await outside.post(hook["url"], content=post.body)).status_code == 401
    assert not any("Action" in one for one in fetched)
    assert (await outside.post(hook["url"], content=right.body)).status_code == 200
    assert fetched[-1] == where["SubscribeURL"]
    event = json.dumps(ses_said("Complaint")).replace(TOKEN, sent)
    post = ses_post(event, now)
    assert (await outside.post(hook["url"], content=post.body)).json()["taken"] == 1
    assert len(fetched) == 2, "the certificate is kept"


@pytest.mark.integration
async def test_a_word_by_sms_ends_promotions_to_a_number(scenario: Any, outside: Any) -> None:
    hook = await made(scenario, "twilio")
    fields = {
        "MessageSid": "SM1",
        "SmsStatus": "received",
        "From": "+8613812345678",
        "Body": "退订",
    }
    post = twilio_post(fields, url=hook["url"])
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = await outside.post(hook["url"], content=post.body, headers={**post.headers, **kind})
    assert (answer.status_code, answer.json()["taken"]) == (200, 1)
    rows = await scenario.ledger.query("SELECT address, purpose, reason FROM campaign.suppression")
    assert [tuple(one.values()) for one in rows] == [
        ("+8613812345678", "promotion", "stopped by message")
    ]
    (event,) = await scenario.ledger.events()
    assert (event.name, event.identifiers) == ("Consent Updated", [("phone", "+8613812345678")])
    assert msgspec.json.decode(event.properties)["channel"] == "sms"


@pytest.mark.integration
async def test_what_is_no_hook_or_no_post(scenario: Any, sent: str, outside: Any) -> None:
    hook = await made(scenario, "standard")
    url = hook["url"]
    assert sent
    for wrong in (
        url.replace("standard", "twilio"),
        url[:-12] + "/standard",
        f"{PUBLIC}/hooks/x/ses",
    ):
        answer = await outside.post(wrong, content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    large = await outside.post(url, content=b"x" * (MAX_BODY + 1))
    assert large.status_code == 413
    now = clock.now().timestamp()
    for body in (b"{", b"[]", b'{"outcomes": [1]}', b'{"outcomes": [{"kind": "bounced"}]}'):
        post = standard_post(body, now)
        answer = await outside.post(url, content=post.body, headers=post.headers)
        assert answer.status_code == 422, answer.text
    for bad in ({"vendor": "ses"}, {"vendor": "mailgun"}, {"vendor": "x"}, {}):
        assert (await scenario.client.post("/v1/hooks", json=bad)).status_code == 422
    assert (await scenario.client.delete(f"/v1/hooks/{hook['id']}")).status_code == 204
    assert (await scenario.client.delete(f"/v1/hooks/{hook['id']}")).status_code == 404
    post = standard_post([], now)
    gone = await outside.post(url, content=post.body, headers=post.headers)
    assert gone.status_code == 404


@pytest.mark.integration
async def test_the_same_request_makes_one_hook(scenario: Any) -> None:
    again = {"Idempotency-Key": "once"}
    one, two = [
        (await scenario.client.post("/v1/hooks", json={"vendor": "standard"}, headers=again)).json()
        for _ in range(2)
    ]
    assert one["id"] == two["id"]
    assert len((await scenario.client.get("/v1/hooks")).json()["items"]) == 1
