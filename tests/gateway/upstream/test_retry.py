"""Retries are paid for by requests, and pause for a random while."""

from __future__ import annotations

import pytest

from gateway.config.model import Retries
from gateway.exchange import Exchange
from gateway.upstream.retry import MIN_PER_SECOND, WINDOW, Budget, RetryPolicy

ALWAYS = int(MIN_PER_SECOND * WINDOW)


def taken(budget: Budget, requests: int, now: float, times: int = 10_000) -> int:
    return sum(budget.take(requests, now) for _ in range(times))


def asking(method: str) -> Exchange:
    exchange = Exchange()
    exchange.method = method
    return exchange


def policy(**options: object) -> RetryPolicy:
    config = Retries(**options)  # type: ignore[arg-type]  # each test knows its options
    return RetryPolicy(config, Budget(config.budget, 0.0))


def test_a_few_are_always_paid_for() -> None:
    assert taken(Budget(0.2, 0.0), 0, 0.0) == ALWAYS


def test_what_was_spent_comes_back_with_time() -> None:
    budget = Budget(0.2, 0.0)
    taken(budget, 0, 0.0)
    assert 0 < taken(budget, 0, 1.0) <= MIN_PER_SECOND
    assert taken(budget, 0, 100.0) == pytest.approx(ALWAYS, abs=1)


def test_the_rest_is_paid_for_by_requests() -> None:
    budget = Budget(0.2, 0.0)
    spent, requests = 0, 0
    for second in range(1, 61):
        requests += 1000
        spent += taken(budget, requests, float(second), 1000)
    assert spent == pytest.approx(0.2 * requests, rel=0.05)


def test_requests_of_long_ago_pay_for_nothing() -> None:
    budget = Budget(0.2, 0.0)
    assert taken(budget, 1_000_000, 10_000.0) == pytest.approx(0.2 * 100 * 10 + ALWAYS, abs=1)
    taken(budget, 1_000_000, 10_000.0)
    assert taken(budget, 1_000_000, 20_000.0) == pytest.approx(ALWAYS, abs=1)


def test_fewer_requests_than_before_are_none() -> None:
    budget = Budget(0.2, 0.0)
    taken(budget, 1000, 1.0)
    assert taken(budget, 10, 2.0) <= MIN_PER_SECOND


def test_a_budget_of_nothing_pays_for_nothing() -> None:
    budget = Budget(0.0, 0.0)
    assert taken(budget, 1000, 1.0) == 0


@pytest.mark.parametrize("cause", ["connect", "stale"])
def test_what_the_target_never_saw_costs_nothing(cause: str) -> None:
    assert policy(budget=0.0).pays(cause, 0, 0.0)
    assert not policy(budget=0.0).pays("reset", 0, 0.0)


def test_reset_covers_what_brought_no_answer_at_all() -> None:
    assert policy(on=["reset", 503]).on == {"reset", "stale", "protocol", "503"}
    assert policy(on=["connect", "timeout"]).on == {"connect", "timeout"}


def test_answers_are_looked_at_only_where_another_try_may_be() -> None:
    assert policy(on=[502, "connect"]).statuses == {502}
    assert policy(on=[502], attempts=0).statuses == set()


@pytest.mark.parametrize(
    ("method", "size", "safe"),
    [
        ("GET", 0, True),
        ("HEAD", 0, True),
        ("PUT", 10, True),
        ("DELETE", 0, True),
        ("PUT", 11, False),
        ("POST", 0, False),
        ("PATCH", 0, False),
        ("PURGE", 0, False),
    ],
)
def test_only_what_may_be_asked_twice_is(method: str, size: int, safe: bool) -> None:
    assert policy(max_body=10).replays(asking(method), size) is safe


def test_pauses_are_drawn_from_a_growing_span_with_an_end() -> None:
    rules = policy(backoff=0.02)
    for tried, most in [(1, 0.02), (2, 0.04), (3, 0.08), (9, 0.2)]:
        drawn = [rules.delay(tried) for _ in range(1000)]
        assert 0 <= min(drawn) < most / 10
        assert most * 0.9 < max(drawn) <= most
    assert policy(backoff=0.0).delay(5) == 0
