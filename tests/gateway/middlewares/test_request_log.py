from __future__ import annotations

import pytest

from gateway.middlewares.request_log import RequestLog, RequestLogOptions
from tests.gateway.middlewares.passing import context, finish, request


def logged(sample: float, status: int = 200, failure: str | None = None) -> bool:
    exchange = request()
    finish(RequestLog(RequestLogOptions(sample=sample), context()), exchange, status, failure)
    return exchange.logged


def test_all_of_them_or_none() -> None:
    assert all(logged(1.0) for _ in range(100))
    assert not any(logged(0.0) for _ in range(100))


def test_about_the_share_that_was_asked_for() -> None:
    assert 300 < sum(logged(0.5) for _ in range(1000)) < 700


@pytest.mark.parametrize(("status", "failure"), [(500, None), (503, None), (200, "reset")])
def test_failures_always(status: int, failure: str | None) -> None:
    assert logged(0.0, status, failure)
