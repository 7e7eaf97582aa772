"""What an operator asks a running gateway, and what it answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import msgspec
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gateway.admin import admin_app, start_admin
from gateway.errors import GatewayError
from tests.gateway.admin.view import View


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
async def address(view: View) -> AsyncIterator[str]:
    runner, address = await start_admin(admin_app(view), "127.0.0.1:0")
    yield address
    await runner.cleanup()


@pytest.fixture
async def admin(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{address}") as session:
        yield session


async def problem(response: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    assert response.status == status
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = await response.json(content_type=None)
    assert body["status"] == status
    assert body["request_id"]
    assert {"type", "title", "detail"} <= body.keys()
    return body


async def test_the_index_lists_what_there_is(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/") as response:
        assert "POST /reload" in await response.json()


async def test_an_unknown_path_is_a_problem(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/nothing") as response:
        await problem(response, 404)


async def test_another_method_is_a_problem_that_names_the_allowed(
    admin: aiohttp.ClientSession,
) -> None:
    async with admin.get("/reload") as response:
        await problem(response, 405)
        assert response.headers["Allow"] == "POST"
    async with admin.delete("/routes") as response:
        await problem(response, 405)
        assert response.headers["Allow"] == "GET, HEAD"


async def test_the_process_is_healthy_while_it_drains(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.is_draining = True
    async with admin.get("/healthz") as response:
        assert response.status == 200


async def test_a_process_that_does_not_work_is_not_healthy(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.is_live = False
    async with admin.get("/healthz") as response:
        assert response.status == 503


async def passes() -> None:
    """A check that is content."""


async def raises() -> None:
    raise ConnectionError("redis://ann:secret@cache is away")


async def explains() -> None:
    raise GatewayError("redis://ann:secret@cache is away")


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_it_is_ready_when_all_checks_pass(admin: aiohttp.ClientSession, view: View) -> None:
    view.named_checks = {"auth.sql": passes}
    async with admin.get("/readyz") as response:
        assert response.status == 200
        assert await response.json() == {
            "ready": True,
            "draining": False,
            "failing": [],
            "checks": {"auth.sql": None},
        }


async def test_it_is_ready_when_there_is_nothing_to_check(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/readyz") as response:
        assert response.status == 200


async def test_it_is_not_ready_while_it_drains(admin: aiohttp.ClientSession, view: View) -> None:
    view.is_draining = True
    async with admin.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["draining"] is True


async def test_failing_checks_are_named_without_secrets(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.named_checks = {"a": raises, "b": passes, "c": explains}
    async with admin.get("/readyz") as response:
        assert response.status == 503
        body = await response.json()
    assert body["failing"] == ["a", "c"]
    assert body["checks"] == {
        "a": "failed with ConnectionError",
        "b": None,
        "c": "redis://***@cache is away",
    }


async def test_a_check_that_takes_too_long_has_failed_and_holds_no_other_up(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.named_checks = {"one": hangs, "two": hangs, "three": passes}
    async with admin.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["checks"] == {
            "one": "took over a second",
            "two": "took over a second",
            "three": None,
        }


async def test_a_check_that_will_not_be_cancelled_is_not_started_again(
    admin: aiohttp.ClientSession, view: View
) -> None:
    started = 0
    release = asyncio.Event()

    async def stubborn() -> None:
        nonlocal started
        started += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    view.named_checks = {"stubborn": stubborn}
    for _ in range(2):
        async with admin.get("/readyz") as response:
            assert response.status == 503
    assert started == 1
    release.set()
    async with admin.get("/readyz") as response:
        assert response.status == 200


async def test_probes_that_come_together_share_a_check(
    admin: aiohttp.ClientSession, view: View
) -> None:
    started = 0

    async def slow() -> None:
        nonlocal started
        started += 1
        await asyncio.sleep(0.2)

    async def probe() -> int:
        async with admin.get("/readyz") as response:
            return response.status

    view.named_checks = {"slow": slow}
    assert await asyncio.gather(*(probe() for _ in range(5))) == [200] * 5
    assert started == 1


async def test_a_probe_whose_shared_check_is_cancelled_calls_it_late(
    admin: aiohttp.ClientSession, view: View
) -> None:
    async def probe(after: float) -> dict[str, Any]:
        await asyncio.sleep(after)
        async with admin.get("/readyz") as response:
            body: dict[str, Any] = await response.json()
            return body["checks"]

    view.named_checks = {"slow": hangs}
    late = {"slow": "took over a second"}
    assert await asyncio.gather(probe(0), probe(0.3)) == [late, late]


async def test_a_check_that_turns_is_logged_once_each_way(
    admin: aiohttp.ClientSession, view: View, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for check in (raises, raises, passes, passes):
        view.named_checks = {"auth.sql": check}
        async with admin.get("/readyz"):
            pass
    assert caplog.text.count("the check auth.sql fails") == 1
    assert caplog.text.count("the check auth.sql passes again") == 1


class Row(msgspec.Struct, frozen=True):
    id: str
    targets: tuple[str, ...]


async def test_the_table_is_shown_without_passwords(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.table = [Row("users", ("http://ann:secret@10.0.0.5",))]
    async with admin.get("/routes") as response:
        assert await response.json() == [{"id": "users", "targets": ["http://***@10.0.0.5"]}]


async def test_a_request_is_explained(admin: aiohttp.ClientSession) -> None:
    query = [
        ("method", "POST"),
        ("url", "http://api/x?a=1"),
        ("header", "X-A: 1:2"),
        ("header", "B:"),
        ("ip", "192.0.2.1"),
        ("identity", "jwt:ann"),
    ]
    async with admin.get("/explain", params=query) as response:
        assert await response.json() == {
            "method": "POST",
            "url": "http://api/x?a=1",
            "headers": [["X-A", "1:2"], ["B", ""]],
            "ip": "192.0.2.1",
            "identity": "jwt:ann",
        }


@pytest.mark.parametrize(
    "query",
    [{}, {"url": "/x", "header": "no colon"}, {"url": "/x", "header": ":v"}, {"url": "/ secret"}],
)
async def test_what_is_no_request_cannot_be_explained(
    admin: aiohttp.ClientSession, query: dict[str, str]
) -> None:
    async with admin.get("/explain", params=query) as response:
        assert "secret" not in str(await problem(response, 400))


async def test_metrics_are_prometheus_text(admin: aiohttp.ClientSession, view: View) -> None:
    view.metrics.route("users").observe("GET", 200, 0.01, 0.005)
    async with admin.get("/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        page = await response.text()
    assert 'gateway_build_info{version="1.2.3"} 1.0' in page
    assert 'gateway_own_duration_seconds_count{route="users"} 1' in page


async def test_metrics_are_openmetrics_for_who_asks(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.metrics.route("users").observe("GET", 200, 0.01, 0.005)
    headers = {"Accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"}
    async with admin.get("/metrics", headers=headers) as response:
        assert response.content_type == "application/openmetrics-text"
        families = [each.name for each in text_string_to_metric_families(await response.text())]
    assert "http_request_duration_seconds" in families


async def test_the_head_of_metrics_has_no_body(admin: aiohttp.ClientSession) -> None:
    async with admin.head("/metrics") as response:
        assert response.status == 200
        assert await response.read() == b""


class Broken:
    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        raise RuntimeError("secret")


async def test_a_broken_collector_is_a_problem_not_half_a_page(
    admin: aiohttp.ClientSession, view: View, caplog: pytest.LogCaptureFixture
) -> None:
    view.metrics.registry.register(Broken())
    async with admin.get("/metrics") as response:
        assert "secret" not in str(await problem(response, 500))
    assert "the admin listener failed at /metrics" in caplog.text


async def test_a_scraper_that_goes_away_is_no_error(
    admin: aiohttp.ClientSession, address: str, view: View, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3000):
        view.metrics.route(f"route-{number}").observe("GET", 200, 0.01, 0.005)
    host, port = address.split(":")
    gone = await asyncio.to_thread(socket.create_connection, (host, int(port)))
    gone.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.to_thread(gone.recv, 1000)
    gone.close()
    async with admin.get("/healthz") as response:
        assert response.status == 200
    async with admin.get("/metrics") as response:
        assert "route-2999" in await response.text()
    assert not caplog.records


async def test_a_reload_that_is_taken(admin: aiohttp.ClientSession, view: View) -> None:
    async with admin.post("/reload") as response:
        assert response.status == 200
    assert view.reloads == 1


async def test_a_reload_that_is_not_taken_lists_every_error(
    admin: aiohttp.ClientSession, view: View
) -> None:
    view.errors = ["gateway.yaml:3:5: unknown key 'rute'", "gateway.yaml:9:1: http://u:secret@h"]
    async with admin.post("/reload") as response:
        body = await problem(response, 422)
    assert body["errors"] == [
        "gateway.yaml:3:5: unknown key 'rute'",
        "gateway.yaml:9:1: http://***@h",
    ]


async def test_reloads_run_one_after_the_other(admin: aiohttp.ClientSession, view: View) -> None:
    async def reload() -> int:
        async with admin.post("/reload") as response:
            return response.status

    assert await asyncio.gather(*(reload() for _ in range(5))) == [200] * 5
    assert view.reloads == 5
    assert view.most_reloading == 1


async def test_a_reload_that_crashes_is_a_problem_and_logged(
    admin: aiohttp.ClientSession, view: View, caplog: pytest.LogCaptureFixture
) -> None:
    view.failure = RuntimeError("secret")
    async with admin.post("/reload") as response:
        assert "secret" not in str(await problem(response, 500))
    assert "the admin listener failed at /reload" in caplog.text
    view.failure = None
    async with admin.post("/reload") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_cannot_reload(
    admin: aiohttp.ClientSession, view: View, headers: dict[str, str]
) -> None:
    async with admin.post("/reload", headers=headers) as response:
        await problem(response, 403)
    assert view.reloads == 0


async def test_a_page_of_the_listeners_own_may_reload(admin: aiohttp.ClientSession) -> None:
    headers = {
        "Host": "localhost:9901",
        "Origin": "http://localhost:9901",
        "Sec-Fetch-Site": "same-origin",
    }
    async with admin.post("/reload", headers=headers) as response:
        assert response.status == 200
