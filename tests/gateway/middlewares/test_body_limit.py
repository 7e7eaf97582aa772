from __future__ import annotations

import pytest

from gateway.errors import Problem
from gateway.middlewares.body_limit import BodyLimit, BodyLimitOptions
from tests.gateway.middlewares.passing import context, request


def limit(maximum: int) -> BodyLimit:
    return BodyLimit(BodyLimitOptions(max=maximum), context())


@pytest.mark.parametrize("declared", [None, 0, 100])
def test_the_limit_is_lowered_for_whoever_reads_the_body(declared: int | None) -> None:
    exchange = request("POST")
    exchange.content_length = declared
    assert limit(100).request(exchange) is None
    assert exchange.body_limit == 100


def test_a_limit_is_never_raised() -> None:
    exchange = request("POST")
    assert limit(5000).request(exchange) is None
    assert exchange.body_limit == 1000


def test_a_body_declared_too_long_is_refused_at_once_and_not_read() -> None:
    exchange = request("POST")
    exchange.content_length = 101
    refusal = limit(100).request(exchange)
    assert isinstance(refusal, Problem)
    assert (refusal.status, refusal.close) == (413, True)


def test_a_limit_of_nothing_lets_only_empty_bodies_pass() -> None:
    exchange = request("POST")
    exchange.content_length = 1
    assert isinstance(limit(0).request(exchange), Problem)
    assert limit(0).request(request("GET")) is None
