"""A target that fails is left out for a while, never all of them, and always comes back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from gateway.config.model import ActiveCheck, Health, PassiveCheck
from gateway.telemetry.metrics import Metrics
from gateway.upstream.pool import Upstream
from tests.gateway.serving import until
from tests.gateway.upstream.groups import ANY, chosen, counts, described, group, names

SOON = 0.2


def guarded(count: int, metrics: Metrics | None = None, **options: Any) -> Upstream:
    passive = PassiveCheck(**{"failures": 3, "eject_for": SOON} | options.pop("passive", {}))
    health = Health(passive=passive, **{"slow_start": 0.0} | options)
    return group(described(*[1] * count, health=health), metrics=metrics)


def fail(upstream: Upstream, at: int, times: int = 3, cause: str = "reset") -> None:
    for _ in range(times):
        upstream.blame(upstream.targets[at], cause)


async def test_enough_failures_leave_a_target_out_until_its_time_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    up = guarded(3, metrics)
    fail(up, 1, 2)
    assert names(up) == ["t0", "t1", "t2"]
    fail(up, 1, 1)
    assert names(up) == ["t0", "t2"]
    assert up.healthy() == {"http://t0": True, "http://t1": False, "http://t2": True}
    assert "upstream up: http://t1 is left out for 0.2 s: 3 failures within 10 s" in caplog.text
    assert up.explain(ANY).candidates[1].why.endswith("the last one: reset")
    page = metrics.render("")[0].decode()
    assert 'gateway_upstream_ejections_total{target="http://t1",upstream="up"} 1.0' in page
    await until(lambda: len(up.fit) == 3)
    assert up.explain(ANY).candidates[1].why == ""


async def test_it_is_left_out_longer_each_time_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    up = guarded(3, passive={"eject_for": 0.05})
    for _ in range(3):
        fail(up, 0)
        await until(lambda: len(up.fit) == 3)
    seconds = [record.args[2] for record in caplog.records if "left out" in record.msg]  # type: ignore[index]  # args is a tuple here
    assert seconds == pytest.approx([0.05, 0.1, 0.15])


async def test_after_a_good_while_it_starts_with_the_shortest_time_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    up = guarded(3, passive={"eject_for": 0.05, "window": 0.05})
    for _ in range(2):
        fail(up, 0)
        await until(lambda: len(up.fit) == 3)
        await asyncio.sleep(0.15)  # longer than window and ejection
    seconds = [record.args[2] for record in caplog.records if "left out" in record.msg]  # type: ignore[index]  # args is a tuple here
    assert seconds == pytest.approx([0.05, 0.05])


async def test_failures_further_apart_than_the_window_do_not_count() -> None:
    up = guarded(3, passive={"window": 0.05})
    fail(up, 0, 2)
    await asyncio.sleep(0.1)  # longer than the window
    fail(up, 0, 2)
    assert len(up.fit) == 3


async def test_a_few_failures_among_many_requests_do_not_count() -> None:
    up = guarded(3)
    for _ in range(3):
        fail(up, 0, 1)
        counts(up, 60)
    assert len(up.fit) == 3
    fail(up, 0, 3)
    assert names(up) == ["t1", "t2"]


@pytest.mark.parametrize(("cause", "left_out"), [("5xx", True), ("reset", False)])
async def test_what_counts_is_configured(cause: str, left_out: bool) -> None:
    up = guarded(3, passive={"on": ["5xx"]})
    fail(up, 0, cause=cause)
    assert (len(up.fit) == 2) is left_out


async def test_a_client_s_or_the_gateway_s_own_trouble_is_nobody_s_fault() -> None:
    up = guarded(3)
    for cause in ("stale", "exhausted", "5xx"):
        fail(up, 0, 9, cause)
    assert len(up.fit) == 3


async def test_never_are_so_many_left_out_that_panic_would_follow() -> None:
    up = guarded(4)
    for at in range(4):
        fail(up, at, 9)
    assert len(up.fit) == 2
    assert not up.panic


async def test_the_last_one_is_never_left_out() -> None:
    up = guarded(3, panic=0.0)
    for at in range(3):
        fail(up, at, 9)
    assert names(up) == ["t2"]
    assert up.choose(ANY) is up.targets[2]


async def test_a_lone_target_is_never_left_out() -> None:
    up = guarded(1)
    fail(up, 0, 99)
    assert up.only is up.targets[0]


async def test_without_passive_checks_nothing_is() -> None:
    up = group(described(1, 1, health=Health(passive=None)))
    fail(up, 0, 99)
    assert len(up.fit) == 2


async def test_with_too_few_healthy_ones_all_are_asked(caplog: pytest.LogCaptureFixture) -> None:
    up = group(described(1, 1, 1))
    up.judge("http://t0", False, "down")
    assert (names(up), up.panic) == (["t1", "t2"], False)
    up.judge("http://t1", False, "down")
    assert (names(up), up.panic) == (["t0", "t1", "t2"], True)
    assert "1 of 3 targets are healthy, so all are asked" in caplog.text
    up.judge("http://t1", True, "up")
    assert (names(up), up.panic) == (["t1", "t2"], False)
    assert "2 of 3 targets are healthy, and only those are asked" in caplog.text


async def test_without_panic_an_upstream_may_have_nobody_to_ask() -> None:
    up = group(described(1, 1, health=Health(panic=0.0)))
    up.judge("http://t0", False, "down")
    assert up.only is up.targets[1]
    up.judge("http://t1", False, "down")
    assert up.choose(ANY) is None
    assert up.explain(ANY).next is None
    up.judge("http://t0", True, "up")
    assert up.choose(ANY) is up.targets[0]


async def test_weight_0_counts_neither_as_healthy_nor_as_left() -> None:
    up = group(described(1, 0, 0))
    up.judge("http://t0", False, "down")
    assert (names(up), up.panic) == (["t0"], True)


async def test_a_verdict_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    up = group(described(1, 1))
    for healthy in (True, False, False, True, True):
        up.judge("http://t0", healthy, "reasons")
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"upstream up: http://t0 is {is_} : reasons".replace(" :", ":")
        for is_ in ("unhealthy", "healthy")
    ]


async def test_a_good_check_tells_that_a_target_can_be_reached() -> None:
    up = group(described(1))
    up.targets[0].reachable = False
    assert up.healthy() == {"http://t0": False}
    up.judge("http://t0", True, "up")
    assert up.healthy() == {"http://t0": True}


async def test_a_verdict_on_somebody_else_changes_nothing() -> None:
    up = group(described(1, 1))
    up.judge("http://gone", False, "down")
    assert len(up.fit) == 2


async def test_checks_and_failures_both_have_to_speak_for_it() -> None:
    up = guarded(3)
    fail(up, 0)
    up.judge("http://t0", False, "down")
    up.judge("http://t0", True, "up")
    assert names(up) == ["t1", "t2"]
    up.judge("http://t0", False, "down")
    await until(lambda: up.targets[0].health.ejected_until < 0)
    assert names(up) == ["t1", "t2"]
    up.judge("http://t0", True, "up")
    assert names(up) == ["t0", "t1", "t2"]


@pytest.mark.parametrize("balance", ["round_robin", "least_requests"])
async def test_one_that_came_back_starts_with_a_tenth_and_grows(balance: str) -> None:
    up = group(described(1, 1, balance=balance, health=Health(slow_start=0.5)))
    up.judge("http://t0", False, "down")
    up.judge("http://t0", True, "up")
    assert counts(up, 110)["t0"] == pytest.approx(10, abs=1)
    share = up.explain(ANY).candidates[0].share
    await until(lambda: up.targets[0].health.share > share)
    await until(lambda: up.targets[0].health.share == 1)
    assert counts(up, 100)["t0"] == pytest.approx(50, abs=1)


async def test_what_is_the_same_after_a_reload_keeps_its_state() -> None:
    old = guarded(3)
    fail(old, 1)
    old.judge("http://t0", False, "down")
    config = msgspec.structs.replace(
        old.config,
        targets=[*old.config.targets[:2], *described(1, 1, 1, 5).targets[3:]],
        health=msgspec.structs.replace(old.config.health, active=ActiveCheck()),
        max_connections=7,
    )
    new = group(config, old)
    assert new.targets[:2] == old.targets[:2]
    assert [target.weight for target in new.targets] == [1, 1, 5]
    assert [target.limit for target in new.targets] == [7, 7, 7]
    assert new.retry is old.retry
    old.retire(set(new.targets))
    assert [target.retired for target in old.targets] == [False, False, True]
    assert (names(new), new.panic) == (["t0", "t1", "t3"], True)
    new.judge("http://t0", True, "up")
    assert (names(new), new.panic) == (["t0", "t3"], False)
    await until(lambda: names(new) == ["t0", "t1", "t3"])


async def test_a_reload_does_not_hurry_one_that_starts_slowly() -> None:
    config = described(1, 1, health=Health(slow_start=60))
    old = group(config)
    old.judge("http://t0", False, "down")
    old.judge("http://t0", True, "up")
    new = group(msgspec.structs.replace(config, targets=described(3, 1).targets), old)
    assert [target.health.share for target in new.targets] == [pytest.approx(0.3), 1]
    assert counts(new, 130)["t0"] == pytest.approx(30, abs=1)


async def test_a_reload_without_checks_forgives_what_they_found() -> None:
    old = guarded(3)
    fail(old, 1)
    old.judge("http://t0", False, "down")
    new = group(described(1, 1, 1, health=Health(passive=None)), old)
    assert names(new) == ["t0", "t1", "t2"]
    await asyncio.sleep(SOON * 2)  # the ejection's time passes
    assert names(new) == ["t0", "t1", "t2"]


async def test_building_an_upstream_aside_changes_nothing_for_the_old_one() -> None:
    old = guarded(2)
    config = described(9, 9, max_connections=1)
    Upstream("up", config, old.loop, old.wheel, Metrics(), previous=old)
    assert [(target.weight, target.limit) for target in old.targets] == [(1, 256)] * 2
    fail(old, 0)
    assert chosen(old) == "t1"


async def test_explain_tells_all_about_the_candidates() -> None:
    up = guarded(2)
    up.targets[0].open = 3
    counts(up, 5)
    seen = up.explain(ANY)
    assert (seen.balance, seen.panic, seen.next) == ("round_robin", False, "http://t1")
    assert [(each.url, each.in_flight, each.requests) for each in seen.candidates] == [
        ("http://t0", 3, 3),
        ("http://t1", 0, 2),
    ]
