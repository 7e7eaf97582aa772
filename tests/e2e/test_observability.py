"""What an operator sees: metrics, the access log, health."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.gateway_process import eventually, free_port
from tests.e2e.rawhttp import Client, Closed, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, ending
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    site = new_site
    site.pools(10)
    site.pool("measured")
    site.middlewares |= {
        "limit": {"use": "rate_limit", "rate": "1/h", "burst": 1, "key": "route"},
        "breaker": {"use": "circuit_breaker", "min_requests": 2, "error_ratio": 0.5},
    }
    site.middlewares["unseen"] = {"use": "request_log", "sample": "0%"}
    quiet = {"middlewares": ["unseen"], "strip_prefix": "/quiet", "upstream": "dead"}
    site.route("quiet", "/quiet/**", **quiet)
    site.route("quietly", "/quietly", respond={}, middlewares=["unseen"])
    site.upstream("dead", f"http://127.0.0.1:{free_port()}")
    site.route("dead", hosts=["dead.test"], upstream="dead", middlewares=["breaker"])
    site.route("scarce", "/scarce", respond={"status": 200}, middlewares=["limit"])
    site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    return site.start()


def samples(site: Site) -> list[Any]:
    page = site.gateway.admin("/metrics")
    assert page.status == 200
    assert (page.value("Content-Type") or b"").startswith(b"text/plain")
    families = text_string_to_metric_families(page.body.decode())
    return [sample for family in families for sample in family.samples]


def value(site: Site, name: str, **labels: str) -> float | None:
    found = [
        sample.value
        for sample in samples(site)
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None


def test_requests_are_counted_by_method_route_and_status(client: Client, site: Site) -> None:
    name = "http_request_duration_seconds_count"
    labels = {"method": "GET", "route": "measured", "status_code": "200"}
    site.scripted["measured"].start()
    before = value(site, name, **labels) or 0
    for _ in range(3):
        assert client.get("/a/path/of/its/own", "measured.test").status == 200
    eventually(lambda: value(site, name, **labels) == before + 3, "the count")


def test_time_is_split_into_the_upstream_s_and_the_gateway_s_own(
    client: Client, site: Site
) -> None:
    site.scripted["measured"].start()
    client.get("/", "measured.test")
    for name in ("gateway_upstream_duration_seconds_count", "gateway_own_duration_seconds_count"):
        eventually(lambda name=name: (value(site, name) or 0) > 0, name)


def test_labels_hold_the_route_s_id_and_never_the_path(client: Client, site: Site) -> None:
    for number in range(30):
        client.get(f"/canary-{number}", "measured.test")
        client.get(f"/canary-{number}", f"canary-{number}.test")
    client.send(request("PROPFIND", "/canary", "measured.test"))
    client.answer()
    page = site.gateway.admin("/metrics").body
    assert b"canary" not in page


def test_a_limited_request_is_429_and_counted(client: Client, site: Site) -> None:
    statuses = [client.get("/scarce", "a.test").status for _ in range(5)]
    assert 429 in statuses
    eventually(lambda: (value(site, "gateway_rate_limited_total") or 0) > 0, "the count")


def test_a_circuit_that_opens_is_503_and_seen(client: Client, site: Site) -> None:
    statuses = [client.get("/", "dead.test").status for _ in range(10)]
    assert statuses[0] == 502
    assert statuses[-1] == 503
    assert value(site, "gateway_circuit_state") is not None


def test_the_reload_and_upstream_families_are_there(client: Client, site: Site) -> None:
    site.scripted["measured"].start()
    assert client.get("/", "measured.test").status == 200
    assert value(site, "gateway_config_last_reload_success") == 1
    assert value(site, "gateway_upstream_healthy") is not None


def test_health_and_readiness_are_told_on_the_admin_listener_only(
    client: Client, site: Site
) -> None:
    assert site.gateway.admin("/healthz").status == 200
    assert site.gateway.admin("/readyz").status == 200
    for path in ("/healthz", "/readyz", "/metrics", "/reload"):
        assert client.get(path, "a.test").status == 404


def test_the_admin_listener_shows_the_routes(site: Site) -> None:
    page = site.gateway.admin("/routes")
    assert page.status == 200
    assert b"scarce" in page.body
    assert site.gateway.admin("/none").status == 404


def lines_of(file: Path) -> list[dict[str, Any]]:
    text = file.read_text()
    return [json.loads(line) for line in text.splitlines()] if text.endswith("\n") else []


def new_lines(site: Site, count: int, before: int) -> list[dict[str, Any]]:
    file = site.folder / "access.log"
    found: list[dict[str, Any]] = eventually(
        lambda: (lines := lines_of(file)[before:])[count - 1 :] and lines, "the lines"
    )
    assert len(found) == count
    return found


def lines_so_far(site: Site, client: Client) -> int:
    """How many lines there are when all earlier requests have theirs."""
    told = client.get("/", "nobody.test").json()["request_id"]
    file = site.folder / "access.log"
    eventually(lambda: told in file.read_text() and lines_of(file), "the line of the marker")
    return len(lines_of(file))


def test_each_request_is_one_line_of_json(
    client: Client, site: Site, upstream: ScriptedUpstream
) -> None:
    before = lines_so_far(site, client)
    client.send(request("POST", "/a?b=c", upstream.host, 'User-Agent: some"\\\xffone', body=b"x"))
    assert client.answer().status == 200
    assert client.get("/none", "nobody.test").status == 404
    assert client.get("/pong", "a.test").status == 200
    first, second, third = new_lines(site, 3, before)
    assert {"POST", 200, upstream.host.removesuffix(".test")} <= set(atoms(first))
    assert {"GET", 404} <= set(atoms(second))
    assert {"GET", 200, "pong"} <= set(atoms(third))


def atoms(line: dict[str, Any]) -> list[Any]:
    return [item for item in line.values() if isinstance(item, str | int | float)]


def test_a_line_names_the_request_id_that_the_client_was_told(client: Client, site: Site) -> None:
    before = lines_so_far(site, client)
    told = client.get("/none", "nobody.test").json()["request_id"]
    assert told in atoms(new_lines(site, 1, before)[0])


def test_refused_and_broken_requests_have_their_lines_too(
    client: Client, site: Site, upstream: ScriptedUpstream
) -> None:
    before = lines_so_far(site, client)
    bad = site.connect()
    bad.send(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
    assert bad.answer().status == 400
    new_lines(site, 1, before)
    upstream.script = ending(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", lambda c: c.close())
    assert not client.get("/", upstream.host).complete
    new_lines(site, 2, before)


def test_a_client_that_went_first_is_499(site: Site, upstream: ScriptedUpstream) -> None:
    before = lines_so_far(site, site.connect())
    upstream.script = ending(b"", UpstreamConnection.wait_closed)
    client = site.connect()
    client.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    client.reset()
    assert 499 in atoms(new_lines(site, 1, before)[0])


def test_no_secret_is_in_the_log(client: Client, site: Site, upstream: ScriptedUpstream) -> None:
    before = lines_so_far(site, client)
    secrets = ["Authorization: Bearer hunter2", "Cookie: a=hunter2", "X-Api-Key: hunter2"]
    assert client.get("/", upstream.host, *secrets).status == 200
    new_lines(site, 1, before)
    assert "hunter2" not in (site.folder / "access.log").read_text()
    assert "hunter2" not in site.gateway.log()


def test_a_route_may_log_nothing_but_failures(client: Client, site: Site) -> None:
    before = lines_so_far(site, client)
    for target in ("/quietly", "/quiet/1", "/quietly", "/pong"):
        client.get(target, "anything.test")
    file = site.folder / "access.log"
    eventually(lambda: len(lines_of(file)) >= before + 2, "two lines")
    assert [line["path"] for line in lines_of(file)[before:]] == ["/quiet/1", "/pong"]


def test_the_access_log_goes_to_stdout_when_told(own_site: Site) -> None:
    own_site.server["access_log"] = "stdout"
    own_site.route("pong", respond={"status": 200, "body": "pong"})
    own_site.start()
    client = own_site.connect()
    for _ in range(3):
        client.get("/", "a.test")

    def logged() -> list[dict[str, Any]]:
        lines = own_site.gateway.stdout().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    eventually(lambda: len(logged()) == 3, "three lines")


def test_the_access_log_is_complete_at_the_end(own_site: Site) -> None:
    own_site.route("pong", respond={"status": 200, "body": "pong"})
    own_site.start()
    client = own_site.connect()
    client.send(request("GET", "/", "a.test") * 500)
    for _ in range(500):
        client.answer()
    own_site.gateway.stop()
    assert len(lines_of(own_site.folder / "access.log")) == 500


def test_a_request_that_never_was_has_no_line(site: Site, client: Client) -> None:
    before = lines_so_far(site, client)
    silent = site.connect()
    silent.half_close()
    with pytest.raises(Closed):
        silent.answer()
    assert client.get("/pong", "a.test").status == 200
    assert 200 in atoms(new_lines(site, 1, before)[0])


def test_explain_tells_which_target_would_be_asked(site: Site) -> None:
    site.scripted["measured"].start()
    told = site.gateway.admin("/explain?method=GET&url=http://measured.test/x").json()
    url = site.upstreams["measured"]["targets"][0]["url"]
    assert told["upstream"]["next"] == url
    assert [target["url"] for target in told["upstream"]["candidates"]] == [url]
    assert "upstream" not in site.gateway.admin("/explain?url=/pong").json()
