from __future__ import annotations

from typing import Any

import pytest

from gateway.chain import fold
from gateway.exchange import Exchange
from gateway.http1.headers import field_line
from gateway.http1.response import ResponseHead
from gateway.middlewares.rewrite_body import BodyEdits, RewriteBody, RewriteBodyOptions
from gateway.transforming import BodyRefused
from tests.gateway.middlewares.passing import ask, context, request

EDITS = BodyEdits(remove=["secret"])
JSON = ("Content-Type", "application/json")


def rewrite(**options: Any) -> RewriteBody:
    return RewriteBody(RewriteBodyOptions(**options), context())


def answered(
    *fields: tuple[str, str], length: int | None = 50, method: str = "GET", reached: bool = True
) -> tuple[Exchange, ResponseHead]:
    """What becomes of an answer with this head."""
    exchange = request(method)
    exchange.reached_endpoint = reached
    exchange.answer = head = ResponseHead()
    head.status, head.content_length = 200, length
    head.lines = [field_line(*field) for field in fields]
    rewrite(response=EDITS, max=100).response(exchange)
    return exchange, head


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/HAL+JSON"])
def test_what_says_that_it_is_json_is_edited(kind: str) -> None:
    exchange, _ = answered(("Content-Type", kind))
    assert exchange.rewriting is not None
    assert exchange.rewriting.feed(b'{"a":1,"sec') == b""
    assert exchange.rewriting.feed(b'ret":2}') == b""
    assert exchange.rewriting.end() == b'{"a":1}'


@pytest.mark.parametrize("kind", ["text/plain", "application/x-ndjson", "image/svg+xml", "json"])
def test_other_types_are_left_alone(kind: str) -> None:
    exchange, head = answered(("Content-Type", kind), ("ETag", '"a"'))
    assert exchange.rewriting is None
    assert head.headers.get("etag") == '"a"'
    assert answered()[0].rewriting is None


def test_the_gateway_s_own_answers_are_left_alone() -> None:
    assert answered(JSON, reached=False)[0].rewriting is None


def test_what_is_too_long_coded_or_no_json_is_refused() -> None:
    for field, body in ((("X", "y"), b"x" * 101), (("Content-Encoding", "gzip"), b"x")):
        exchange, _ = answered(JSON, field)
        assert exchange.rewriting is not None
        with pytest.raises(BodyRefused, match=r"longer than 100 bytes|coding"):
            exchange.rewriting.feed(body)
    exchange, _ = answered(JSON)
    assert exchange.rewriting is not None
    with pytest.raises(BodyRefused, match="not JSON"):
        exchange.rewriting.end()


def test_a_head_alone_no_longer_says_how_long_the_body_was() -> None:
    fields = (JSON, ("Content-Length", "50"))
    assert "content-length" not in answered(*fields, length=0, method="HEAD")[1].headers
    assert "content-length" in answered(*fields, length=0)[1].headers


async def test_it_asks_the_endpoint_for_what_it_can_read() -> None:
    fields = [("Accept-Encoding", "gzip"), ("Range", "bytes=0-1"), ("If-Range", "x")]
    exchange = request(headers=fields)
    assert await ask(rewrite(response=EDITS), exchange) is None
    assert exchange.lines == []
    exchange = request(headers=fields)
    assert await ask(rewrite(request=EDITS), exchange) is None
    assert len(exchange.lines) == 3


async def test_a_request_in_a_coding_is_415() -> None:
    exchange = request("POST", headers=[JSON, ("Content-Encoding", "br")])
    exchange.content_length = 5
    refusal = await ask(rewrite(request=EDITS), exchange)
    assert refusal is not None
    assert refusal.status == 415


async def test_two_types_are_none() -> None:
    for types in ([JSON, ("content-type", "text/plain")], [("Content-Type", "text/plain"), JSON]):
        exchange = request("POST", headers=types)
        exchange.content_length = 5
        refusal = await ask(rewrite(request=EDITS), exchange)
        assert refusal is not None
        assert refusal.status == 400


def test_only_edits_of_answers_concern_the_way_back() -> None:
    assert fold([("it", rewrite(response=EDITS))]).transforms
    assert not fold([("it", rewrite(request=EDITS))]).transforms


def test_what_is_no_path_is_refused_at_load() -> None:
    with pytest.raises(ValueError, match=r"'a\.\.b' is not a path"):
        BodyEdits(remove=["a..b"])
