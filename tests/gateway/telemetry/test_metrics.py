"""What Prometheus is told."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import UNMATCHED, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    page, _ = metrics.render("")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def test_a_request_is_counted_in_the_bucket_its_duration_belongs_to() -> None:
    metrics = Metrics()
    metrics.route("users").observe("GET", 200, 0.003, 0.002)
    labels = {"method": "GET", "route": "users", "status_code": "200"}
    buckets = "http_request_duration_seconds_bucket"
    assert value(metrics, buckets, le="0.0025", **labels) == 0
    assert value(metrics, buckets, le="0.005", **labels) == 1
    assert value(metrics, buckets, le="+Inf", **labels) == 1
    assert value(metrics, "http_request_duration_seconds_sum", **labels) == 0.003
    assert value(metrics, "http_request_duration_seconds_count", **labels) == 1


def test_a_duration_equal_to_a_bound_is_within_it() -> None:
    metrics = Metrics()
    metrics.route("users").observe("GET", 200, 0.005, None)
    found = value(
        metrics,
        "http_request_duration_seconds_bucket",
        le="0.005",
        method="GET",
        route="users",
        status_code="200",
    )
    assert found == 1


def test_the_gateways_own_share_is_what_the_target_did_not_take() -> None:
    metrics = Metrics()
    metrics.route("users").observe("GET", 200, 0.75, 0.5)
    assert value(metrics, "gateway_upstream_duration_seconds_sum", route="users") == 0.5
    assert value(metrics, "gateway_own_duration_seconds_sum", route="users") == 0.25


def test_without_a_target_all_of_the_time_is_the_gateways_own() -> None:
    metrics = Metrics()
    metrics.route("ping").observe("GET", 200, 0.5, None)
    assert value(metrics, "gateway_upstream_duration_seconds_count", route="ping") is None
    assert value(metrics, "gateway_own_duration_seconds_sum", route="ping") == 0.5


def test_the_own_share_is_never_negative_and_no_sum_goes_backwards() -> None:
    metrics = Metrics()
    metrics.route("users").observe("GET", 200, 0.25, 0.5)
    assert value(metrics, "gateway_own_duration_seconds_sum", route="users") == 0.0


def test_a_request_longer_than_all_bounds_is_counted_at_the_top() -> None:
    metrics = Metrics()
    metrics.route("slow").observe("GET", 200, 1000.0, None)
    assert value(metrics, "gateway_own_duration_seconds_bucket", route="slow", le="1.0") == 0
    assert value(metrics, "gateway_own_duration_seconds_bucket", route="slow", le="+Inf") == 1


def test_methods_nobody_standardised_share_one_label() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.route(UNMATCHED).observe(f"BREW{number}", 405, 0.01, None)
    methods = {
        dict(labels)["method"]
        for name, labels in samples(metrics)
        if name == "http_request_duration_seconds_count"
    }
    assert methods == {"OTHER"}


def test_statuses_and_methods_are_counted_apart() -> None:
    metrics = Metrics()
    for method, status in (("GET", 200), ("GET", 404), ("POST", 200), ("GET", 200)):
        metrics.route("users").observe(method, status, 0.01, None)
    count = "http_request_duration_seconds_count"
    assert value(metrics, count, method="GET", route="users", status_code="200") == 2
    assert value(metrics, count, method="GET", route="users", status_code="404") == 1
    assert value(metrics, count, method="POST", route="users", status_code="200") == 1


def test_a_kept_route_goes_on_counting_after_a_reload_and_a_lost_one_is_dropped() -> None:
    metrics = Metrics()
    for route in ("kept", "lost", UNMATCHED):
        metrics.route(route).observe("GET", 200, 0.01, None)
    kept = metrics.route("kept")
    metrics.keep_routes({"kept"})
    assert metrics.route("kept") is kept
    metrics.route("kept").observe("GET", 200, 0.01, None)
    assert value(metrics, "gateway_own_duration_seconds_count", route="kept") == 2
    assert value(metrics, "gateway_own_duration_seconds_count", route=UNMATCHED) == 1
    assert value(metrics, "gateway_own_duration_seconds_count", route="lost") is None


@pytest.mark.parametrize("route", ['a"b', "a\\b", "a\nb", "100%d", "{0}", "ünï"])
def test_any_route_id_makes_a_page_that_can_be_read(route: str) -> None:
    metrics = Metrics()
    metrics.route(route).observe("GET", 200, 0.01, 0.005)
    assert value(metrics, "gateway_own_duration_seconds_count", route=route) == 1


def test_a_route_id_that_is_no_unicode_does_not_spoil_the_page() -> None:
    metrics = Metrics()
    metrics.route("bad\udcff").observe("GET", 200, 0.01, None)
    assert value(metrics, "gateway_own_duration_seconds_count", route="bad?") == 1


def test_openmetrics_is_rendered_for_who_asks_for_it() -> None:
    metrics = Metrics("1.2.3")
    metrics.route("users").observe("GET", 200, 0.01, 0.005)
    metrics.counter("made_total", "d").inc()
    page, content_type = metrics.render("application/openmetrics-text; version=nonsense")
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name: family for family in openmetrics_families(page.decode())}
    assert families["http_request_duration_seconds"].type == "histogram"
    assert families["made"].samples[0].value == 1


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain; version=x", "application/json"])
def test_everybody_else_is_given_prometheus_text(accept: str) -> None:
    _, content_type = Metrics().render(accept)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


async def test_the_streamed_page_is_the_rendered_page() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.route(f"route-{number}").observe("GET", 200, 0.01, 0.005)
    pieces, content_type = await metrics.stream("")
    streamed = [piece async for piece in pieces]
    rendered, same_type = metrics.render("")
    assert content_type == same_type
    assert len(streamed) > 2
    ours = rendered.index(b"# HELP process_")
    assert b"".join(streamed)[:ours] == rendered[:ours]


async def test_others_get_their_turn_between_the_pieces_of_a_large_page() -> None:
    metrics = Metrics()
    for number in range(200):
        metrics.route(f"route-{number}").observe("GET", 200, 0.01, 0.005)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    pieces, _ = await metrics.stream("")
    turns = 0
    count = len([piece async for piece in pieces])
    task.cancel()
    assert turns >= count - 1


def test_a_metric_is_found_again_when_a_reload_asks_for_it() -> None:
    metrics = Metrics()
    assert metrics.counter("c_total", "d", ["x"]) is metrics.counter("c_total", "d", ("x",))
    assert metrics.gauge("g", "d") is metrics.gauge("g", "d")
    assert metrics.histogram("h", "d", buckets=[1, 2]) is metrics.histogram(
        "h", "d", buckets=(1, 2)
    )


def test_the_same_name_with_another_shape_is_an_error() -> None:
    metrics = Metrics()
    metrics.counter("c_total", "d", ["x"])
    metrics.histogram("h", "d")
    with pytest.raises(ValueError, match="c_total exists with another"):
        metrics.counter("c_total", "d", ["y"])
    with pytest.raises(ValueError, match="c_total exists with another"):
        metrics.gauge("c_total", "d", ["x"])
    with pytest.raises(ValueError, match="h exists with another"):
        metrics.histogram("h", "d", buckets=(1, 2))
    with pytest.raises(ValueError, match="c_total exists with another"):
        metrics.watch("c_total", "d", lambda: 1.0)


def test_the_gateways_own_families_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="http_request_duration_seconds"):
        Metrics().gauge("http_request_duration_seconds", "mine")


def test_a_watched_gauge_is_read_at_each_scrape() -> None:
    metrics = Metrics()
    open_connections = [1, 2, 3]
    metrics.watch("gateway_connections", "d", lambda: len(open_connections))
    assert value(metrics, "gateway_connections") == 3
    open_connections.pop()
    assert value(metrics, "gateway_connections") == 2


def test_a_watched_gauge_may_have_labels_and_is_taken_over_by_the_next_table() -> None:
    metrics = Metrics()
    labels = ("upstream", "target")
    metrics.watch_each("gateway_upstream_healthy", "d", labels, lambda: {("a", "x:1"): 1})
    metrics.watch_each("gateway_upstream_healthy", "d", labels, lambda: {("b", "\udcff"): 0})
    assert value(metrics, "gateway_upstream_healthy", upstream="b", target="?") == 0
    assert value(metrics, "gateway_upstream_healthy", upstream="a", target="x:1") is None


def fails() -> float:
    raise RuntimeError("the pool is gone")


def test_a_gauge_that_cannot_be_read_is_left_out_and_the_page_stays_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    metrics.watch("broken", "d", fails)
    metrics.watch_each("crooked", "d", ("a", "b"), lambda: {("only one",): 1.0})
    metrics.watch("fine", "d", lambda: 1.0)
    assert value(metrics, "broken") is None
    assert value(metrics, "crooked") is None
    assert value(metrics, "fine") == 1
    assert "the gauge broken cannot be read" in caplog.text


def test_how_the_last_reload_went_is_told() -> None:
    metrics = Metrics()
    assert value(metrics, "gateway_config_last_reload_success") == 1
    metrics.reloaded(success=False)
    assert value(metrics, "gateway_config_last_reload_success") == 0
    assert (value(metrics, "gateway_config_last_reload_timestamp_seconds") or 0) > 1e9


def test_the_version_and_the_process_are_told() -> None:
    metrics = Metrics("1.2.3")
    assert value(metrics, "gateway_build_info", version="1.2.3") == 1
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 0


def test_two_gateways_in_one_process_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.counter("made_total", "d").inc()
    other.counter("made_total", "d")
    assert value(other, "made_total") == 0
