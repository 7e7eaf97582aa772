"""The numbers of several processes add up to one page."""

from __future__ import annotations

import random

import msgspec
from prometheus_client import Summary
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import Metrics
from gateway.telemetry.snapshot import Changes, Piece
from gateway.telemetry.total import Total

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Piece)


class Process:
    """Counts, and reports to a total by the wire format that workers use."""

    def __init__(self, total: Total, name: str) -> None:
        self.metrics = Metrics("1", process=False)
        self.changes = Changes(self.metrics)
        self.total = total
        self.name = name

    def report(self) -> list[Piece]:
        pieces = [*self.changes.routes(), *self.changes.families()]
        for piece in pieces:
            self.total.take(self.name, DECODER.decode(ENCODER.encode(piece)))
        return pieces


async def page(total: Total, accept: str = "") -> str:
    pieces, _ = await total.stream(accept)
    return b"".join([piece async for piece in pieces]).decode()


async def samples(total: Total) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(await page(total))
        for sample in family.samples
    }


async def value(total: Total, name: str, **labels: str) -> float | None:
    return (await samples(total)).get((name, frozenset(labels.items())))


async def test_random_counts_of_three_processes_are_those_of_one_that_did_it_all() -> None:
    rng = random.Random(7)
    total, alone = Total(), Metrics("1", process=False)
    processes = [Process(total, name) for name in "abc"]
    for _ in range(2000):
        process = rng.choice(processes)
        route = f"r{rng.randrange(300)}"
        # Halves and quarters: sums of them are exact in any order.
        what = (rng.choice(["GET", "POST", "BREW"]), rng.choice([200, 404]),
                rng.randrange(9) / 4, rng.choice([None, 0.25]))  # fmt: skip
        process.metrics.route(route).observe(*what)
        alone.route(route).observe(*what)
        if rng.random() < 0.02:
            process.report()
    for process in processes:
        process.report()
    expected = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(alone.render("")[0].decode())
        for sample in family.samples
        if family.name.endswith("duration_seconds")
    }
    found = await samples(total)
    assert {key: found[key] for key in expected} == expected


async def test_only_routes_that_have_news_are_told_of() -> None:
    process = Process(Total(), "a")
    for number in range(1000):
        process.metrics.route(f"r{number}").observe("GET", 200, 0.5, None)
    told = [piece for piece in process.changes.routes() if piece.routes]
    assert sum(len(piece.routes) for piece in told) == 1000
    assert max(len(piece.routes) for piece in told) <= 40
    assert not any(piece.routes for piece in process.changes.routes())
    process.metrics.route("r7").observe("GET", 200, 0.0, 0.0)
    assert [each[0] for piece in process.changes.routes() for each in piece.routes] == ["r7"]


async def test_what_has_ended_leaves_its_counts_and_takes_its_gauges_along() -> None:
    total = Total()
    processes = [Process(total, name) for name in "abc"]
    for number, process in enumerate(processes, 1):
        process.metrics.route("r").observe("GET", 200, 0.5, None)
        process.metrics.counter("tests_calls", "Calls.", ["kind"]).labels("x").inc(number)
        process.metrics.gauge("tests_open", "Open.").set(number)
        process.metrics.histogram("tests_size", "Size.", buckets=(1, 2)).observe(number)
        process.report()
    assert await value(total, "tests_open") == 6
    for name in "ab":
        total.bury(name)
    total.bury("nobody")
    assert await value(total, "tests_calls_total", kind="x") == 6
    assert await value(total, "tests_size_sum") == 6
    assert await value(total, "tests_size_bucket", le="2.0") == 2
    assert await value(total, "tests_open") == 3
    labels = {"method": "GET", "route": "r", "status_code": "200"}
    assert await value(total, "http_request_duration_seconds_count", **labels) == 3


async def test_a_gauge_goes_by_its_own_rule() -> None:
    total = Total()
    for number, name in enumerate("ab"):
        process = Process(total, name)
        metrics = process.metrics
        metrics.gauge("tests_worst", "Worst.", across="max").set(number)
        metrics.watch("tests_least", "Least.", lambda number=number: number, across="min")
        metrics.gauge("gateway_circuit_state", "0, 1, 2.", ["middleware"]).labels("g").set(number)
        metrics.reloaded(success=bool(number))
        process.report()
    assert await value(total, "tests_worst") == 1
    assert await value(total, "tests_least") == 0
    assert await value(total, "gateway_circuit_state", middleware="g") == 1
    assert await value(total, "gateway_config_last_reload_success") == 0
    assert await value(total, "gateway_build_info", version="1") == 1


async def test_the_page_is_openmetrics_for_who_asks() -> None:
    total = Total()
    for name in "ab":
        process = Process(total, name)
        process.metrics.route("r").observe("GET", 200, 0.5, None)
        process.metrics.counter("tests_calls", "Calls.", ["kind"]).labels(name).inc()
        process.metrics.histogram("tests_size", "Size.", ["kind"]).labels(name).observe(1)
        process.report()
    text = await page(total, "application/openmetrics-text")
    families = {family.name: family for family in openmetrics_families(text)}
    assert len([s for s in families["tests_calls"].samples if s.name.endswith("_total")]) == 2
    assert "tests_size" in families


async def test_a_route_that_is_taken_away_is_forgotten_of_the_dead_as_well() -> None:
    total = Total()
    dead, living = Process(total, "dead"), Process(total, "living")
    for process in (dead, living):
        for route in ("old", "kept"):
            process.metrics.route(route).observe("GET", 200, 0.5, None)
        process.report()
    total.bury("dead")
    living.metrics.keep_routes(["kept"])
    living.report()
    text = await page(total)
    assert 'route="old"' not in text
    assert 'gateway_own_duration_seconds_count{route="kept"} 2' in text


async def test_a_route_that_comes_back_counts_from_nought() -> None:
    total = Total()
    process = Process(total, "a")
    process.metrics.route("r").observe("GET", 200, 0.5, None)
    process.report()
    process.metrics.keep_routes([])
    process.metrics.route("r").observe("GET", 200, 0.5, None)
    process.report()
    assert await value(total, "gateway_own_duration_seconds_count", route="r") == 1


async def test_while_code_changes_a_family_of_another_type_is_left_out() -> None:
    total = Total()
    old, new = Process(total, "old"), Process(total, "new")
    old.metrics.gauge("tests_thing", "Thing.").set(1)
    Summary("tests_thing", "Thing.", registry=new.metrics.registry).observe(5)
    old.report()
    new.report()
    assert await value(total, "tests_thing") == 1


async def test_a_page_of_nothing_is_a_page() -> None:
    assert "# TYPE http_request_duration_seconds histogram" in await page(Total())
