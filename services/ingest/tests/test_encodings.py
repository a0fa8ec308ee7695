"""Zstandard bodies: as much as gzip's, and no more than the limit unfolds."""

import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rapport_common.errors import AppError
from rapport_ingest.domain.body import MAX_BODY_BYTES, MAX_ZSTD_WINDOW, unpack

pack = zstandard.ZstdCompressor().compress


def code_of(body: bytes, encoding: str = "zstd") -> str:
    with pytest.raises(AppError) as caught:
        unpack(body, encoding)
    return caught.value.code


@given(st.binary(max_size=5000), st.sampled_from(["zstd", "", "gzip"]))
def test_zstd_is_known_by_its_first_bytes(body: bytes, encoding: str) -> None:
    packed = pack(b"{" + body)
    assert unpack(packed, encoding) == b"{" + body


def test_a_frame_without_a_size_and_one_of_many_blocks() -> None:
    body = bytes(range(256)) * 20_000
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    packed = b"".join(stream.compress(body[at : at + 1000]) for at in range(0, len(body), 1000))
    assert unpack(packed + stream.flush(), "zstd") == body


def test_a_proxy_may_have_unpacked_it() -> None:
    assert unpack(b"{}", "zstd") == b"{}"


def test_the_limit_is_exact_and_nothing_unfolds_beyond_it() -> None:
    assert len(unpack(pack(b" " * MAX_BODY_BYTES), "zstd")) == MAX_BODY_BYTES
    assert code_of(pack(b" " * (MAX_BODY_BYTES + 1))) == "too_large"
    assert code_of(pack(b" " * 2**26)) == "too_large"


def test_what_is_damaged_cut_off_or_followed_by_something() -> None:
    packed = pack(b"hello world " * 100)
    assert code_of(packed[:-1]) == "bad_encoding"
    assert code_of(packed[:4]) == "bad_encoding"
    assert code_of(packed + b"x") == "bad_encoding"
    assert code_of(packed + packed[:-1]) == "bad_encoding"
    assert code_of(packed[:6] + b"\xff\xff\xff" + packed[9:]) == "bad_encoding"


def test_a_window_that_would_cost_memory_is_refused() -> None:
    large = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=large).compressobj()
    body = b"x" * (MAX_ZSTD_WINDOW // 1000)
    assert code_of(stream.compress(body) + stream.flush()) == "bad_encoding"


@given(st.binary(max_size=300))
def test_no_zstd_is_an_exception(body: bytes) -> None:
    try:
        unpack(b"\x28\xb5\x2f\xfd" + body, "zstd")
    except AppError as error:
        assert error.code in {"bad_encoding", "too_large"}  # noqa: PT017 - any of them is right


def test_an_unknown_encoding_says_what_is_known() -> None:
    assert code_of(zlib.compress(b"{}"), "br") == "unsupported_encoding"
