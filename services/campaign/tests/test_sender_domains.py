"""Names of domains, what DNS has of their keys, and when a key begins and ceases to sign."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from services.campaign.tests.conftest import quick_settings

from rapport_campaign.domain import records
from rapport_campaign.domain.addresses import envelope_address
from rapport_campaign.domain.resolvers import servers
from rapport_campaign.domain.sender_domains import (
    ALGORITHMS,
    KEPT,
    LOOK_AGAIN,
    LOOK_SOON,
    MISSES,
    Finding,
    SenderDomain,
    SenderKey,
    checked,
    dkim_name,
    dkim_value,
    domain_name,
    looked_again,
    rotated,
    shown_name,
    signers,
    strings,
)
from rapport_campaign.domain.signing_keys import SigningKeys, place_of
from rapport_common.events.contact import normal_email
from rapport_common.secret_keys import SealedSecretError
from rapport_common.testing.examples import examples

SEALED = SigningKeys((b"k" * 32,))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOUND, MISSING, AWAY = Finding("found"), Finding("missing", (), "publish"), Finding("unanswered")


def key(selector: str, algorithm: Any = "rsa", **more: Any) -> SenderKey:
    fields = {"public": "AB" * 200, "private": "sealed", "state": "waiting", "created_at": NOW}
    return SenderKey(selector, algorithm, **{**fields, **more})


def domain(*keys: SenderKey) -> SenderDomain:
    return SenderDomain("acme", "shop.example", "unchecked", NOW, "ada", keys)


def seen(one: SenderDomain, at: datetime = NOW, **states: Finding) -> SenderDomain:
    """After a check that found these, by selector."""
    names = {key.selector: dkim_name(key, one.domain) for key in one.keys}
    return checked(one, {names[name]: told for name, told in states.items()}, at)


def states(one: SenderDomain) -> dict[str, str]:
    return {key.selector: key.state for key in one.keys}


@pytest.mark.parametrize(
    ("said", "name", "shown"),
    [
        ("Shop.Example.COM", "shop.example.com", "shop.example.com"),
        (" shop.example. ", "shop.example", "shop.example"),
        ("Straße.example", "xn--strae-oqa.example", "straße.example"),
        ("例子。公司", "xn--fsqu00a.xn--55qx5d", "例子.公司"),
        ("xn--fsqu00a.xn--55qx5d", "xn--fsqu00a.xn--55qx5d", "例子.公司"),
    ],
)
def test_a_domain_has_one_form(said: str, name: str, shown: str) -> None:
    assert domain_name(said) == name
    assert domain_name(name) == name
    assert shown_name(name) == shown
    # It is that of addresses.
    assert envelope_address(normal_email(f"a@{said.strip()}")) == f"a@{name}"


@pytest.mark.parametrize(
    "said",
    [
        *("", ".", "shop", "a@shop.example", "shop.example/x", "*.shop.example", "127.0.0.1"),
        *("[::1]", "-a.example", "a_b.example", "a..example", "x\0.example", "a b.example"),
        *(f"{'x' * 64}.example", ".".join(["abcdefghi"] * 25), "shop.example\r\nx"),
        "\ud800.example",
    ],
)
def test_what_is_no_domain_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"must (be|have)"):
        domain_name(said)


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Z0-9.é例ß-]{1,40}", fullmatch=True))
@settings(max_examples=examples(300))
def test_any_text_is_a_domain_or_an_error_in_words(text: str) -> None:
    try:
        name = domain_name(text)
    except ValueError as error:
        told = str(error)
        name = domain_name("shop.example") if told.startswith("must ") else told
    assert name.isascii()
    assert domain_name(name) == domain_name(shown_name(name)) == name


@pytest.mark.parametrize(
    ("sender", "by"),
    [
        ("a@shop.example", "shop.example"),
        ("a@SHOP.example", "shop.example"),
        ("a@news.shop.example", "shop.example"),
        ("a@x.eu.shop.example", "eu.shop.example"),
        ("a@eu.shop.example", "eu.shop.example"),
        ("a@myshop.example", None),
        ("a@example", None),
        ("a@shop.example.evil.example", None),
        ("shop.example@evil.example", None),
    ],
)
def test_who_signs_is_the_domain_or_the_nearest_above(sender: str, by: str | None) -> None:
    assert signers(["shop.example", "eu.shop.example"], sender) == by


def test_a_key_that_is_seen_signs_and_its_domain_is_verified() -> None:
    new = domain(key("r1"), key("e1", "ed25519"))
    half = seen(new, r1=FOUND, e1=MISSING)
    assert (half.state, half.reason, half.verified_at) == ("verified", None, NOW)
    assert states(half) == {"r1": "active", "e1": "waiting"}
    whole = seen(half, NOW + timedelta(hours=1), r1=FOUND, e1=FOUND)
    assert states(whole) == {"r1": "active", "e1": "active"}
    assert (whole.verified_at, whole.checked_at) == (NOW, NOW + timedelta(hours=1))
    # Ed25519 alone is too little: too many receivers don't know it.
    other = seen(new, r1=MISSING, e1=FOUND)
    assert (other.state, other.reason) == ("failed", "publish")


def test_a_record_that_is_gone_ends_the_signing_and_one_not_asked_does_not() -> None:
    verified = seen(domain(key("r1")), r1=FOUND)
    assert seen(verified, r1=AWAY).state == "verified"
    gone = seen(verified, r1=MISSING)
    assert (gone.state, gone.reason, states(gone)) == ("failed", "publish", {"r1": "waiting"})
    assert seen(gone, r1=AWAY).state == "failed"
    assert seen(gone, r1=FOUND).state == "verified"
    assert seen(domain(key("r1")), r1=AWAY).state == "unchecked"


def test_a_look_of_our_own_believes_what_is_missing_at_the_third_time() -> None:
    first = seen(domain(key("r1")), r1=FOUND)
    gone = {dkim_name(first.keys[0], first.domain): MISSING}
    one, at = first, NOW
    for number in range(1, MISSES):
        at += LOOK_SOON
        one = looked_again(one, gone, at, 0.5)
        assert (one.state, one.misses, one.reason, states(one)) == (
            *("verified", number, "publish", {"r1": "active"}),
        )
        assert one.next_look_at == at + LOOK_SOON
    last = looked_again(one, gone, at, 0.5)
    assert (last.state, last.misses, last.next_look_at) == ("failed", MISSES, at + LOOK_AGAIN)
    back = looked_again(one, {dkim_name(first.keys[0], first.domain): FOUND}, at, 0)
    assert (back.state, back.misses, back.reason) == ("verified", 0, None)
    assert at < (back.next_look_at or at) < at + LOOK_AGAIN


def test_the_old_key_signs_until_the_new_one_is_seen() -> None:
    later = NOW + timedelta(days=1)
    old = seen(domain(key("r1"), key("e1", "ed25519")), r1=FOUND, e1=FOUND)
    new = [key("r2", created_at=later), key("e2", "ed25519", created_at=later)]
    both = rotated(old, new, later)
    assert both.is_rotating
    assert not old.is_rotating
    waits = seen(both, later, r1=FOUND, e1=FOUND, r2=MISSING, e2=AWAY)
    assert states(waits) == {"r1": "active", "e1": "active", "r2": "waiting", "e2": "waiting"}
    assert (waits.state, waits.is_rotating) == ("verified", True)
    done = seen(waits, later, r1=FOUND, e1=FOUND, r2=FOUND, e2=MISSING)
    assert states(done) == {"r1": "former", "e1": "active", "r2": "active", "e2": "waiting"}
    [former] = [one for one in done.keys if one.state == "former"]
    assert (former.private, former.ended_at) == (None, later), "its private half is destroyed"
    # A former key never comes back, and its record may go after some days.
    back = seen(done, later, r1=FOUND, r2=MISSING)
    assert states(back)["r1"] == "former"
    assert back.state == "failed"
    assert "r1" in states(seen(done, later + KEPT - timedelta(seconds=1), r2=FOUND))
    assert "r1" not in states(seen(done, later + KEPT, r2=FOUND))


def test_a_record_that_nobody_needs_holds_up_no_rotation() -> None:
    """Ed25519 was never published: its keys are replaced with the others."""
    half = seen(domain(key("r1"), key("e1", "ed25519")), r1=FOUND, e1=MISSING)
    assert not half.is_rotating
    later = NOW + timedelta(days=1)
    both = rotated(
        half, [key("r2", created_at=later), key("e2", "ed25519", created_at=later)], later
    )
    assert states(both) == {"r1": "active", "r2": "waiting", "e2": "waiting"}
    assert [one.selector for one in both.shown_keys] == ["r2", "e2", "r1"]


def test_a_key_made_while_dns_was_asked_stays_as_it_is() -> None:
    old = seen(domain(key("r1")), r1=FOUND)
    both = rotated(old, [key("r2", created_at=NOW + timedelta(seconds=1))], NOW)
    assert states(seen(both, r1=FOUND)) == {"r1": "active", "r2": "waiting"}


FINDINGS = st.sampled_from([FOUND, MISSING, AWAY, Finding("wrong", ("x",), "mend")])


@given(st.lists(st.dictionaries(st.integers(0, 9), FINDINGS) | st.none(), max_size=12))
@settings(max_examples=examples(200))
def test_however_checks_and_rotations_come_one_key_of_a_kind_signs(steps: list[Any]) -> None:
    """None is a rotation; a check knows the records of some keys."""
    one = domain(*(key(f"{kind[0]}0", kind) for kind in ALGORITHMS))
    for number, step in enumerate(steps, 1):
        now = NOW + timedelta(hours=number)
        before = [each.selector for each in one.keys if each.state == "active"]
        if step is None:
            new = [key(f"{kind[0]}{number}", kind, created_at=now) for kind in ALGORITHMS]
            one = one if one.is_rotating else rotated(one, new, now)
            assert [k.selector for k in one.keys if k.state == "active"] == before
        else:
            order = sorted(one.keys, key=lambda each: each.selector)
            found = {
                dkim_name(order[at], one.domain): told
                for at, told in step.items()
                if at < len(order)
            }
            one = checked(one, found, now)
        for kind in ALGORITHMS:
            of_kind = [each for each in one.keys if each.algorithm == kind]
            assert sum(each.state == "active" for each in of_kind) <= 1
            assert any(each.state != "former" for each in of_kind)
        assert all((each.private is None) == (each.state == "former") for each in one.keys)
        rsa_signs = any(k.algorithm == "rsa" and k.state == "active" for k in one.keys)
        assert (one.state == "verified") == rsa_signs


RSA = key("r1")
RIGHT = dkim_value(RSA)


@pytest.mark.parametrize(
    ("texts", "state", "advice"),
    [
        ([RIGHT], "found", None),
        ([f"p={RSA.public}"], "found", None),
        ([f"v=DKIM1;k=rsa;t=s;s=*:x;h=sha1:sha256;p={RSA.public};"], "found", None),
        ([f"v=DKIM1; t=y:s; p= {RSA.public[:10]} {RSA.public[10:]}"], "found", "t=y"),
        ([], "missing", "no TXT record"),
        ([RIGHT, "other"], "wrong", "several"),
        (["hello"], "wrong", "no DKIM record"),
        ([f'"{RIGHT}"'], "wrong", "quotes"),
        ([RIGHT.replace(";", "\\;")], "wrong", "DKIM1"),
        ([f"p={RSA.public}; v=DKIM1"], "wrong", "begin with"),
        ([RIGHT.replace("rsa", "ed25519")], "wrong", "k=rsa"),
        (["v=DKIM1; p="], "wrong", "empty"),
        ([RIGHT[:255]], "wrong", "cut"),
        (["v=DKIM1; p=AAAA"], "wrong", "another key"),
        ([f"v=DKIM1; h=sha1; p={RSA.public}"], "wrong", "sha256"),
        ([f"v=DKIM1; s=tlsrpt; p={RSA.public}"], "wrong", "for mail"),
        ([f"p=x; p={RSA.public}"], "wrong", "no DKIM record"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(
    texts: list[str], state: str, advice: str | None
) -> None:
    told = records.read_key(RSA, texts)
    assert (told.state, told.advice is None) == (state, advice is None)
    assert (advice or "") in (told.advice or "")
    assert told.found == tuple(texts)


@pytest.mark.parametrize(
    ("texts", "include", "state"),
    [
        (["v=spf1 include:_spf.x.example -all"], "_spf.x.example", "found"),
        (["v=spf1 -all"], "_spf.x.example", "wrong"),
        (["v=spf1 -all"], "", "found"),
        (["v=spf1 -all", "V=SPF1 a -all"], "", "wrong"),
        (["v=spf10 -all", "x"], "", "missing"),
        ([], "_spf.x.example", "missing"),
    ],
)
def test_spf_is_read(texts: list[str], include: str, state: str) -> None:
    assert records.read_spf(texts, include).state == state


@pytest.mark.parametrize(
    ("texts", "state"),
    [
        (["v=DMARC1; p=none"], "found"),
        (["x", "v = DMARC1;p=reject;"], "found"),
        (["v=DMARC1"], "wrong"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong"),
        (["v=DMARC10; p=none"], "missing"),
        ([], "missing"),
    ],
)
def test_dmarc_is_read(texts: list[str], state: str) -> None:
    assert records.read_dmarc(texts).state == state


@given(st.lists(st.text(max_size=60), max_size=3))
@settings(max_examples=examples(200))
def test_any_text_in_dns_is_an_answer(texts: list[str]) -> None:
    for told in (
        records.read_key(RSA, texts),
        records.read_spf(texts, "x"),
        records.read_dmarc(texts),
    ):
        assert told.state in {"found", "missing", "wrong"}
        assert told.advice or told.state == "found"
        assert "\0" not in "".join(told.found)


def test_a_record_is_shown_in_strings_that_dns_takes() -> None:
    parts = strings(RIGHT)
    assert "".join(parts) == RIGHT
    assert [len(part) for part in parts] == [255, len(RIGHT) - 255]


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("", ()),
        ("192.0.2.1", (("192.0.2.1", 53),)),
        ("192.0.2.1:5353, [2001:db8::1]:54", (("192.0.2.1", 5353), ("2001:db8::1", 54))),
    ],
)
def test_dns_servers_are_read(setting: str, found: tuple[tuple[str, int], ...]) -> None:
    assert servers(setting) == found


@pytest.mark.parametrize("setting", ["dns.example", "192.0.2.1:x", "192.0.2.1:99999", "::1"])
def test_what_is_no_dns_server_refuses_the_start(setting: str) -> None:
    with pytest.raises(ValidationError, match="dns_servers"):
        quick_settings(1, dns_servers=setting)


@pytest.mark.parametrize("wrong", ["", "ab" * 31, f"{'ab' * 32};{'cd' * 32}"])
def test_campaign_without_keys_of_keys_does_not_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="signing_keys"):
        quick_settings(1, signing_keys=wrong)


def test_what_is_kept_and_is_no_key_is_said() -> None:
    keys = SigningKeys((b"k" * 32,))
    for secret in ("AAAA", "not base64"):
        with pytest.raises(SealedSecretError, match="rotate it"):
            keys.private("here", keys.sealed("here", secret, b"n" * 12))


def sealed(private: Any, place: str = "acme/shop.example/s1") -> str:
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return SEALED.sealed(place, base64.b64encode(der).decode(), b"n" * 12)


def test_a_private_key_comes_back_from_where_it_was_put_and_from_nowhere_else() -> None:
    made = Ed25519PrivateKey.generate()
    place = place_of("acme", "shop.example", "s1")
    kept = sealed(made, place)
    opened = SEALED.private(place, kept)
    assert opened.public_key() == made.public_key()
    with pytest.raises(SealedSecretError):
        SEALED.private(place_of("globex", "shop.example", "s1"), kept)


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(b"no key").decode()])
def test_what_is_no_private_key_is_said_to_be_none(text: str) -> None:
    kept = SEALED.sealed("place", text, b"n" * 12)
    with pytest.raises(SealedSecretError, match="not what was put there"):
        SEALED.private("place", kept)


def test_a_key_that_signs_no_mails_is_refused() -> None:
    with pytest.raises(SealedSecretError, match="no kind that signs"):
        SEALED.private("place", sealed(X25519PrivateKey.generate(), "place"))


def test_what_dns_does_not_answer_is_said_with_the_reason() -> None:
    told = records.unanswered("timed out")
    assert (told.state, told.advice) == (
        "unanswered",
        "DNS gave no answer (timed out). Check again later.",
    )
