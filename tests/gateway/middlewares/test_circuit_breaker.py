from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.middlewares.circuit_breaker import CircuitBreaker, CircuitBreakerOptions, Window
from gateway.telemetry.metrics import Metrics
from tests.gateway.middlewares.passing import (
    Clock,
    Destination,
    ask,
    context,
    finish,
    request,
    send,
    series,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breaker(clock: Clock, metrics: Metrics | None = None, **options: Any) -> CircuitBreaker:
    options = {"min_requests": 4, "window": 10.0, "open_for": 5.0, **options}
    made = CircuitBreakerOptions(**options)
    return CircuitBreaker(made, context(metrics=metrics), clock=clock)


async def enter(guard: CircuitBreaker, **about: Any) -> Exchange:
    """An exchange that the guard let through and that has not ended yet."""
    exchange = request(**about)
    assert await ask(guard, exchange) is None
    return exchange


async def answered(guard: CircuitBreaker, *statuses: int, **about: Any) -> None:
    for status in statuses:
        finish(guard, await enter(guard, **about), status)


async def refusal(guard: CircuitBreaker) -> Problem | None:
    said = await ask(guard, request())
    assert said is None or isinstance(said, Problem)
    return said


async def opened(clock: Clock, **options: Any) -> CircuitBreaker:
    guard = breaker(clock, **options)
    await answered(guard, 500, 500, 500, 500)
    assert await refusal(guard)
    return guard


async def test_a_closed_circuit_lets_everything_through(clock: Clock) -> None:
    await answered(breaker(clock), *[200] * 50)


async def test_it_opens_when_the_share_of_failures_is_reached(clock: Clock) -> None:
    guard = breaker(clock, error_ratio=0.5)
    await answered(guard, 200, 200, 200, 500, 500)
    await answered(guard, 500)
    assert await refusal(guard)


async def test_it_does_not_open_before_enough_requests_were_seen(clock: Clock) -> None:
    guard = breaker(clock, min_requests=5)
    await answered(guard, 500, 500, 500, 500)
    await answered(guard, 200)
    assert await refusal(guard)


async def test_a_ratio_of_zero_still_needs_a_failure(clock: Clock) -> None:
    guard = breaker(clock, error_ratio=0.0)
    await answered(guard, *[200] * 20)
    await answered(guard, 500)
    assert await refusal(guard)


async def test_the_refusal_says_when_to_come_back(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(1.5)
    said = await refusal(guard)
    assert said is not None
    assert said.status == 503
    assert ("Retry-After", "4") in said.headers


@pytest.mark.parametrize("failure", ["connect", "timeout", "reset", "protocol"])
async def test_a_target_that_gives_no_whole_answer_has_failed(clock: Clock, failure: str) -> None:
    guard = breaker(clock)
    for _ in range(4):
        finish(guard, await enter(guard), 200, failure)
    assert await refusal(guard)


async def test_a_plugin_that_raises_has_failed(clock: Clock) -> None:
    guard = breaker(clock)
    for _ in range(4):
        finish(guard, await enter(guard), 500, "error")
    assert await refusal(guard)


@pytest.mark.parametrize(("status", "failure"), [(503, "exhausted"), (499, "client")])
async def test_what_is_not_the_endpoints_fault_does_not_count(
    clock: Clock, status: int, failure: str
) -> None:
    guard = breaker(clock)
    for _ in range(20):
        finish(guard, await enter(guard), status, failure)
    await answered(guard, 500, 500, 500)
    await answered(guard, 500)
    assert await refusal(guard)


async def test_client_errors_are_answers(clock: Clock) -> None:
    guard = breaker(clock)
    await answered(guard, *[404] * 20, 500, 500, 500)
    assert await refusal(guard) is None


async def test_answers_of_other_guards_do_not_count(clock: Clock) -> None:
    guard = breaker(clock)
    for _ in range(20):
        exchange = await enter(guard)
        exchange.status = 503
        guard.done(exchange)
    assert await refusal(guard) is None


async def test_its_own_refusals_do_not_count(clock: Clock) -> None:
    guard = await opened(clock)
    for _ in range(20):
        assert (await send(guard, request())).status == 503
    clock.advance(5)
    await answered(guard, 200, 500)


async def test_failures_older_than_the_window_are_forgotten(clock: Clock) -> None:
    guard = breaker(clock)
    await answered(guard, 500, 500, 500)
    clock.advance(11)
    await answered(guard, 500)
    assert await refusal(guard) is None


async def test_its_state_is_what_a_request_would_meet_also_when_none_comes(clock: Clock) -> None:
    guard = breaker(clock)
    await answered(guard, 200, 500)
    assert guard.state(request())["error_ratio"] == 0.5
    clock.advance(11)
    assert guard.state(request())["requests"] == 0
    guard = await opened(clock)
    seen = guard.state(request())
    assert (seen["state"], seen["probes_in"]) == ("open", 5)
    clock.advance(5)
    assert guard.state(request())["state"] == "half-open"
    assert await ask(guard, request()) is None
    assert guard.state(request())["probing"] == 1


async def test_endpoints_have_circuits_of_their_own(clock: Clock) -> None:
    guard = await opened(clock)
    await answered(guard, 200, route=Destination("files", "files"))
    assert await ask(guard, request(route=Destination("users-v2", "users")))


async def test_a_successful_probe_closes_the_circuit(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(5)
    await answered(guard, 200)
    await answered(guard, 500, 500, 500)


async def test_a_failed_probe_opens_it_for_as_long_again(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(5)
    await answered(guard, 500)
    clock.advance(4.9)
    assert await refusal(guard)
    clock.advance(0.2)
    await answered(guard, 200, 200)


async def test_only_so_many_probes_are_on_their_way_at_once(clock: Clock) -> None:
    guard = await opened(clock, probes=2)
    clock.advance(5)
    probes = [await enter(guard), await enter(guard)]
    said = await refusal(guard)
    assert said is not None
    assert ("Retry-After", "1") in said.headers
    finish(guard, probes[0])
    probes.append(await enter(guard))
    assert await refusal(guard)


async def test_it_closes_when_as_many_probes_as_asked_for_succeeded(clock: Clock) -> None:
    guard = await opened(clock, probes=2)
    clock.advance(5)
    first, second = await enter(guard), await enter(guard)
    finish(guard, first)
    finish(guard, second)
    await answered(guard, 500, 500, 500)


async def test_one_failed_probe_of_several_opens_it_again(clock: Clock) -> None:
    guard = await opened(clock, probes=2)
    clock.advance(5)
    first, second = await enter(guard), await enter(guard)
    finish(guard, first, 500)
    finish(guard, second)
    assert await refusal(guard)
    clock.advance(4.9)
    assert await refusal(guard)


async def test_a_probe_whose_client_left_frees_its_place_without_a_verdict(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(5)
    finish(guard, await enter(guard), 499, "client")
    probe = await enter(guard)
    assert await refusal(guard)
    finish(guard, probe)
    await answered(guard, 200)


async def test_a_probe_that_another_guard_answers_frees_its_place(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(5)
    exchange = await enter(guard)
    exchange.status = 401
    guard.done(exchange)
    await enter(guard)
    assert await refusal(guard)


async def test_a_probe_that_never_ends_gives_its_place_away(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(5)
    await enter(guard)
    clock.advance(4.9)
    assert await refusal(guard)
    clock.advance(0.2)
    await answered(guard, 200, 200)


async def test_the_verdict_of_a_probe_that_took_very_long_still_counts(clock: Clock) -> None:
    guard = await opened(clock)
    clock.advance(5)
    slow = await enter(guard)
    clock.advance(6)
    await enter(guard)
    assert await refusal(guard)
    finish(guard, slow)
    await answered(guard, 200)


async def test_what_began_before_the_circuit_opened_is_no_probe(clock: Clock) -> None:
    guard = breaker(clock)
    early = [await enter(guard) for _ in range(2)]
    await answered(guard, 500, 500, 500, 500)
    clock.advance(5)
    probe = await enter(guard)
    finish(guard, early[0])
    assert await refusal(guard)
    finish(guard, probe)
    await answered(guard, 500, 500, 500)
    finish(guard, early[1], 500)
    assert await refusal(guard) is None


async def test_the_state_is_on_the_metrics(clock: Clock) -> None:
    metrics = Metrics()
    guard = breaker(clock, metrics)
    label = ("guard", "users")
    await answered(guard, 500)
    assert series(metrics, "gateway_circuit_state") == {label: 0}
    await answered(guard, 500, 500, 500)
    assert series(metrics, "gateway_circuit_state") == {label: 1}
    await refusal(guard)
    await refusal(guard)
    assert series(metrics, "gateway_circuit_refused_total") == {label: 2}
    clock.advance(5)
    assert series(metrics, "gateway_circuit_state") == {label: 2}
    probe = await enter(guard)
    assert series(metrics, "gateway_circuit_state") == {label: 2}
    finish(guard, probe)
    assert series(metrics, "gateway_circuit_state") == {label: 0}


def test_a_window_forgets_a_tenth_at_a_time() -> None:
    window = Window(10.0)
    for second in range(10):
        window.add(second < 5, float(second))
    assert (window.total, window.failures) == (10, 5)
    window.add(False, 10.0)
    assert (window.total, window.failures) == (10, 4)
    window.add(True, 16.5)
    assert (window.total, window.failures) == (5, 1)
    window.add(False, 1e9)
    assert (window.total, window.failures) == (1, 0)
