from __future__ import annotations

import zlib
from typing import Any

import pytest

from gateway.chain import fold
from gateway.exchange import Exchange
from gateway.http1.headers import field_line
from gateway.http1.response import UNTIL_CLOSE, ResponseHead
from gateway.middlewares.compress import Compress, CompressOptions
from tests.gateway.middlewares.passing import context, request

GZIP = [("Accept-Encoding", "gzip")]


def compress(**options: Any) -> Compress:
    return Compress(CompressOptions(**options), context())


def answered(
    middleware: Compress,
    *fields: tuple[str, str],
    length: int | None = 5000,
    status: int = 200,
    accepts: list[tuple[str, str]] = GZIP,
    kind: str = "application/json",
) -> tuple[Exchange, ResponseHead]:
    """What becomes of an answer with this head."""
    exchange = request(headers=accepts)
    middleware.request(exchange)
    head = ResponseHead()
    head.status, head.content_length = status, length
    head.lines = [field_line("Content-Type", kind)] if kind else []
    head.lines += [field_line(*field) for field in fields]
    exchange.answer = head
    middleware.response(exchange)
    return exchange, head


def test_what_gains_by_it_is_compressed() -> None:
    exchange, head = answered(compress())
    assert exchange.transform is not None
    sent = exchange.transform.feed(b"a" * 9000) + exchange.transform.end()
    assert zlib.decompress(sent, 31) == b"a" * 9000
    assert head.headers.get("content-encoding") == "gzip"
    assert head.headers.get("vary") == "Accept-Encoding"


@pytest.mark.parametrize(
    "kind",
    ["text/html; charset=utf-8", "TEXT/CSS", "application/problem+json", "image/svg+xml"],
)
def test_text_and_its_relatives_gain(kind: str) -> None:
    assert answered(compress(), kind=kind)[0].transform is not None


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "", "x", "text/a/b"])
def test_other_types_are_left_alone(kind: str) -> None:
    exchange, head = answered(compress(), kind=kind)
    assert exchange.transform is None
    assert "vary" not in head.headers


def test_types_can_be_said() -> None:
    middleware = compress(types=["application/x-*"])
    assert answered(middleware, kind="application/x-tar")[0].transform is not None
    assert answered(middleware, kind="text/plain")[0].transform is None


@pytest.mark.parametrize(
    "field",
    [
        ("Content-Encoding", "br"),
        ("Content-Range", "bytes 0-1/2"),
        ("Cache-Control", "public, No-Transform"),
    ],
)
def test_what_must_not_be_changed_is_not(field: tuple[str, str]) -> None:
    exchange, head = answered(compress(), field)
    assert exchange.transform is None
    assert head.headers.getall(field[0]) == [field[1]]


def test_a_part_is_left_alone() -> None:
    assert answered(compress(), status=206)[0].transform is None


def test_small_bodies_are_left_alone_and_unknown_lengths_are_not() -> None:
    assert answered(compress(), length=1023)[0].transform is None
    assert answered(compress(), length=1024)[0].transform is not None
    assert answered(compress(), length=None)[0].transform is not None
    assert answered(compress(), length=UNTIL_CLOSE)[0].transform is not None
    assert answered(compress(min_size=10), length=10)[0].transform is not None


def test_who_does_not_ask_gets_it_plain_and_caches_are_told() -> None:
    exchange, head = answered(compress(), accepts=[])
    assert exchange.transform is None
    assert head.headers.get("vary") == "Accept-Encoding"
    assert "content-encoding" not in head.headers


def test_an_answer_without_a_body_says_that_it_varies() -> None:
    exchange, head = answered(compress(), length=0, status=304)
    assert exchange.transform is None
    assert head.headers.get("vary") == "Accept-Encoding"


@pytest.mark.parametrize(
    ("said", "vary"),
    [
        ("Origin", ["Origin", "Accept-Encoding"]),
        ("origin, accept-encoding", ["origin, accept-encoding"]),
        ("*", ["*"]),
    ],
)
def test_vary_is_added_to_not_replaced(said: str, vary: list[str]) -> None:
    assert answered(compress(), ("Vary", said))[1].headers.getall("vary") == vary


def test_a_strong_etag_becomes_weak() -> None:
    assert answered(compress(), ("ETag", '"a"'))[1].headers.get("etag") == 'W/"a"'
    assert answered(compress(), ("ETag", 'W/"a"'))[1].headers.get("etag") == 'W/"a"'
    assert answered(compress(), ("ETag", '"a"'), accepts=[])[1].headers.get("etag") == '"a"'


@pytest.mark.parametrize(
    ("held", "confirmed"),
    [('W/"a"', 'W/"a"'), ('"b", W/"a"', 'W/"a"'), ('"a"', '"a"'), ('W/"b"', '"a"')],
)
def test_a_304_confirms_the_tag_that_the_client_has(held: str, confirmed: str) -> None:
    accepts = [*GZIP, ("If-None-Match", held)]
    head = answered(compress(), ("ETag", '"a"'), status=304, kind="", accepts=accepts)[1]
    assert head.headers.get("etag") == confirmed


@pytest.mark.parametrize(
    "name", ["Accept-Ranges", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest"]
)
def test_what_is_said_of_the_plain_bytes_goes(name: str) -> None:
    assert name not in answered(compress(), (name, "x"))[1].headers
    assert name in answered(compress(), (name, "x"), accepts=[])[1].headers


def test_twice_on_a_route_it_compresses_once() -> None:
    outer, inner = compress(), compress()
    exchange, head = answered(inner)
    transform = exchange.transform
    outer.request(exchange)
    outer.response(exchange)
    assert exchange.transform is transform
    assert head.headers.getall("content-encoding") == ["gzip"]


def test_a_chain_knows_that_bodies_change() -> None:
    assert fold([("it", compress())]).transforms
    assert not fold([]).transforms


def test_what_is_no_media_type_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match="types: 'json' is not"):
        compress(types=["json"])
