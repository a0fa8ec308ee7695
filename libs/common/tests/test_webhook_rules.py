"""The rules of webhooks: signatures, when something is tried again, and where it may not lead."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.outside.addresses import UnusableUrlError, is_allowed, networks, require_usable
from rapport_common.outside.signed_posts import new_secret, signed
from rapport_common.outside.webhooks import (
    MOST_ASKED_FOR,
    MOST_PAUSE,
    OLDEST,
    PATIENCE,
    WAITS,
    Answer,
    Verdict,
    after_failure,
    message_id,
    verdict,
)

OWN = networks("127.0.0.0/8, ::1/128")
AWAY, REFUSED = Answer(503), Answer(422)


def test_a_signature_is_the_one_of_the_specification() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    at = datetime.fromtimestamp(1614265330, UTC)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [secret])
    assert headers == [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]


def test_while_a_secret_is_rotated_there_are_two_signatures() -> None:
    new, old = new_secret(bytes(32)), new_secret(bytes([1]) * 32)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    alone = [signed("m", at, b"{}", [one])[2][1] for one in (new, old)]
    assert signed("m", at, b"{}", [new, old])[2][1] == " ".join(alone)
    assert alone[0] != alone[1]


def test_with_a_secret_that_is_none_nothing_is_signed() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="a secret that is not in base64"):
        signed("m", at, b"{}", [new_secret(bytes(32)), "whsec_*MfKQ"])


def test_a_post_is_called_by_its_delivery_each_time() -> None:
    delivery = UUID("01a22947-d1de-7294-96aa-7a623b834ab5")
    assert message_id(delivery) == "msg_01a22947d1de729496aa7a623b834ab5"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(200), Verdict.DELIVERED),
        (Answer(299), Verdict.DELIVERED),
        (Answer(301), Verdict.REFUSED),
        (Answer(404), Verdict.REFUSED),
        (Answer(408), Verdict.AWAY),
        (Answer(410), Verdict.GONE),
        (Answer(429), Verdict.AWAY),
        (Answer(500), Verdict.AWAY),
        (Answer(error="no"), Verdict.AWAY),
    ],
)
def test_what_an_answer_says(answer: Answer, expected: Verdict) -> None:
    assert verdict(answer) is expected


@given(
    attempts=st.integers(1, 30),
    failures=st.integers(0, 10**9),
    chance=st.floats(0, 1),
    asked=st.none() | st.timedeltas(timedelta(0), timedelta(days=400)),
    status=st.sampled_from([None, 400, 404, 410, 429, 500, 503]),
)
def test_what_follows_is_bounded(
    *, attempts: int, failures: int, chance: float, asked: timedelta | None, status: int | None
) -> None:
    pause = after_failure(attempts, failures, Answer(status, None, asked), chance)
    assert (pause.wait is None) == (attempts > len(WAITS))
    if pause.wait is not None:
        assert abs(pause.wait / WAITS[attempts - 1] - 1) <= 0.1 + 1e-6
    is_away = verdict(Answer(status)) is Verdict.AWAY
    if pause.rest is not None:
        assert is_away
        assert timedelta(0) <= pause.rest <= max(MOST_PAUSE * 1.1, MOST_ASKED_FOR)
    assert (pause.rest is None) == (not is_away or (failures < PATIENCE and asked is None))


def test_a_post_is_tried_for_days_and_is_not_dead_of_age_before() -> None:
    most = sum((one * 1.1 for one in WAITS), timedelta(0))
    assert timedelta(days=2) < most < OLDEST


def test_a_receiver_that_stays_away_is_asked_less_and_less() -> None:
    rests = [after_failure(1, failures, AWAY, 0.5).rest for failures in range(1, 12)]
    assert rests[: PATIENCE - 1] == [None] * (PATIENCE - 1)
    later = [one for one in rests if one is not None]
    assert later == sorted(later)
    assert later[0] == timedelta(seconds=10)
    assert later[-1] == MOST_PAUSE
    assert after_failure(1, 100, REFUSED, 0.5).rest is None, "it is there"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0"),
        *("fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "64:ff9b:1::7f00:1"),
        *("fec0::1", "::127.0.0.1", "::ffff:0:a9fe:a9fe"),
    ],
)
def test_what_is_beside_us_is_not_posted_to(address: str) -> None:
    assert not is_allowed(address)


def test_the_internet_is_and_so_is_what_the_operator_allows() -> None:
    assert is_allowed("93.184.216.34")
    assert is_allowed("2606:2800:220:1:248:1893:25c8:1946")
    assert is_allowed("127.0.0.1", OWN)
    assert is_allowed("::ffff:127.0.0.1", OWN)
    assert not is_allowed("10.0.0.1", OWN)


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "https://", "http://shop.example.com/", "ftp://shop.example.com/", "//x.org"),
        *("https://u:p@x.org/", "https://u@x.org/", "https://x.org/#f", "https://x.org:0/"),
        *("https://x.org:99999/", "https://[::1", "https://127.0.0.1/", "https://[::1]/"),
        *(
            "https://169.254.169.254/latest",
            "http://10.0.0.1/",
            "https://x.org/ä",
            "https://x\n.org",
        ),
        *("https://127.1/", "https://2130706433", "https://0x7f.1/", "https://127.0.0.1./"),
        *("https://0x7f000001/", "https://10.1.2.3.4/", "https://shop.7/"),
        *("https://ex%61mple.org/", "https://a..org/", "https://.org/", "https://[v1.x]/"),
        *("https://127.0.0.1\\.x.org/", f"https://{'a' * 64}.org/", f"https://{'a.' * 127}org/"),
        *("https://x.org/" + "a" * 2000, "https://x .org/", "file:///etc/passwd"),
    ],
)
def test_an_address_that_can_not_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(UnusableUrlError):
        require_usable(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com/hook?a=1",
        "https://shop.example.com:8443",
        "HTTPS://x.org",
        "https://7.x.org",
        "https://a_b.x-y.org./",
        "https://[2606:4700::1111]/",
    ],
)
def test_an_address_on_the_internet_is_taken(url: str) -> None:
    require_usable(url)


def test_without_encryption_only_where_the_operator_allows_it() -> None:
    require_usable("http://127.0.0.1:9000/", OWN)
    with pytest.raises(UnusableUrlError):
        require_usable("http://shop.example.com/", OWN)
