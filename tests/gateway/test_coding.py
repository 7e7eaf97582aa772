"""Which coding a client takes, and what each of them makes of a body."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

import pytest

from gateway.coding import CODINGS, CompressedBody, acceptable


def _with_the_extra() -> None:
    for module in ("brotli", "zstandard"):
        pytest.importorskip(module)


def _br(data: bytes) -> bytes:
    return bytes(pytest.importorskip("brotli").Decompressor().process(data))


def _zstd(data: bytes) -> bytes:
    whole = pytest.importorskip("zstandard").ZstdDecompressor().decompressobj()
    return bytes(whole.decompress(data))


PLAIN: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: zlib.decompressobj(31).decompress(data),
    "br": _br,
    "zstd": _zstd,
}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("GZip, deflate", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1, br;q=0.9", "gzip"),
        ("gzip;q=0.5, br; q=0.500", "br"),
        ("*", "zstd"),
        ("*;q=0.1, gzip;q=0.2", "gzip"),
        ("zstd;q=0, *", "br"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity, gzip", "gzip"),
        ("identity;q=0", None),
        ("deflate, compress", None),
        ("gzip;q=nan", None),
        ("gzip;q=1e9", None),
        ("gzip;q=-1", None),
        ("gzip;q=0.1234", None),
        ("gzip;q=", None),
        ("gzip;level=9", None),
        ("gzip;q=1.5", "gzip"),
        (",;,gzip", "gzip"),
        ("gzip," * 200, None),
    ],
)
def test_the_weights_decide_and_then_the_gateway(accepted: str, coding: str | None) -> None:
    if coding in ("zstd", "br"):
        _with_the_extra()
    assert acceptable(accepted) == coding


def test_every_coding_is_there_with_the_extra() -> None:
    _with_the_extra()
    assert list(CODINGS) == ["zstd", "br", "gzip"]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("level", [1, 4, 9])
def test_a_body_in_pieces_comes_out_as_it_was(coding: str, level: int) -> None:
    pieces = [random.Random(1).randbytes(70_000), b"a" * 65_536, b"", b"the end"]
    for at_once in (False, True):
        body = CompressedBody(coding, level, at_once)
        sent = b"".join([*map(body.feed, pieces), body.end()])
        assert PLAIN[coding](sent) == b"".join(pieces)


@pytest.mark.parametrize("coding", CODINGS)
def test_at_once_nothing_is_held_back(coding: str) -> None:
    body = CompressedBody(coding, 4, at_once=True)
    sent = b""
    for number in range(1, 4):
        sent += body.feed(b"data: %d\n\n" % number)
        assert PLAIN[coding](sent).endswith(b"data: %d\n\n" % number)
