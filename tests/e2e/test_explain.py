"""`GET /explain` tells how limits, breakers and targets stand, and counts nothing by that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.crew import HOST, CrewSite
from tests.e2e.gateway_process import eventually
from tests.e2e.rawhttp import request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, listening
from tests.e2e.site import Site

GUARDS = {
    "per_ip": {"use": "rate_limit", "rate": "6/m", "burst": 3},
    "few": {"use": "concurrency_limit", "max": 2, "queue": 1},
    "guard": {"use": "circuit_breaker", "min_requests": 2, "open_for": "60s"},
}


@pytest.fixture
def site(own_site: Site) -> Site:
    own_site.middlewares |= GUARDS
    own_site.pool("guarded", route={"middlewares": list(GUARDS)}).start()
    return own_site.start()


def told(site: Site, query: str) -> dict[str, Any]:
    found: dict[str, Any] = site.gateway.admin(f"/explain?url=http://guarded.test/x{query}").json()
    return found


def states(site: Site, query: str = "&ip=127.0.0.1") -> dict[str, dict[str, Any]]:
    return {guard["name"]: guard["state"] for guard in told(site, query)["middlewares"]}


def test_what_is_left_of_a_limit_is_seen_and_not_taken(site: Site) -> None:
    client = site.connect()
    client.get("/", "guarded.test")
    for _ in range(5):
        seen = states(site)["per_ip"]
        assert (seen["counted_by"], seen["allowed"], seen["remaining"]) == ("ip", True, 2)
    assert 0 < seen["reset"] <= 10
    statuses = [client.get("/", "guarded.test").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = states(site)["per_ip"]
    assert not refused["allowed"]
    assert 0 < refused["retry_after"] <= 10
    assert states(site, "&ip=192.0.2.9")["per_ip"]["remaining"] == 3, "another client's"
    guards = {guard["name"]: guard["options"] for guard in told(site, "")["middlewares"]}
    assert guards["per_ip"]["rate"] == "6/60s"
    assert guards["few"] == {"max": 2, "queue": 1, "key": None}


def test_a_limit_by_identity_is_told_for_the_one_that_is_asked_about(own_site: Site) -> None:
    own_site.middlewares["per_user"] = {"use": "rate_limit", "rate": "3/m", "key": "jwt.sub"}
    own_site.pool("guarded", route={"middlewares": ["per_user"]})
    own_site.start()
    assert states(own_site)["per_user"]["counted_by"] == "ip"
    assert states(own_site, "&identity=jwt:ann")["per_user"]["counted_by"] == "jwt.sub"
    for query in ("&identity=ann", "&identity=jwt:", "&ip=nobody"):
        url = f"/explain?url=http://guarded.test/{query}"
        assert own_site.gateway.admin(url).status == 400


def test_an_open_circuit_tells_when_it_is_tried_again(site: Site) -> None:
    def failing(connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            connection.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")

    assert states(site)["guard"] == {
        "state": "closed",
        "requests": 0,
        "failures": 0,
        "error_ratio": 0,
        "probes_in": 0,
        "probing": 0,
    }
    site.scripted["guarded"].script = failing
    client = site.connect()
    client.get("/", "guarded.test")
    seen = states(site)["guard"]
    assert (seen["state"], seen["requests"], seen["error_ratio"]) == ("closed", 1, 1.0)
    client.get("/", "guarded.test")
    eventually(lambda: states(site)["guard"]["state"] == "open", "the circuit")
    assert 50 < states(site)["guard"]["probes_in"] <= 60


def test_places_that_are_taken_and_waited_for_are_counted(site: Site) -> None:
    upstream = site.scripted["guarded"]

    def silent(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.wait_closed()

    upstream.script = silent
    clients = [site.connect() for _ in range(3)]
    for client in clients:
        client.send(request("GET", "/", "guarded.test"))
    full = {"in_flight": 2, "waiting": 1}
    eventually(lambda: states(site)["few"] == full, "three requests under way")
    for client in clients:
        client.reset()
    free = {"in_flight": 0, "waiting": 0}
    eventually(lambda: states(site)["few"] == free, "their end")


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrewSite]:
    site = CrewSite(tmp_path_factory.mktemp("crew"), 2)
    site.middlewares |= GUARDS
    site.pool("guarded", route={"middlewares": list(GUARDS)}, server=ScriptedUpstream(listening()))
    site.scripted["guarded"].start()
    try:
        site.start()
        yield site.all_up()
    finally:
        site.close()


def test_of_several_workers_each_tells_its_own(crew: CrewSite) -> None:
    pids = crew.pids()
    crew.client_of(pids[1]).get("/", "guarded.test")
    seen = told(crew, "&ip=127.0.0.1")
    assert seen["route"] == "guarded"
    assert seen["worker"] == 0
    assert {each["name"]: each["state"] for each in seen["middlewares"]}["per_ip"]["remaining"] == 3
    assert len(seen["upstream"]["candidates"]) == 1
    (other,) = seen["others"]
    assert other["worker"] == 1
    assert other["states"]["per_ip"]["remaining"] == 2
    assert other["states"]["guard"]["requests"] == 1
    assert other["upstream"]["candidates"][0]["requests"] == 1


def test_a_worker_that_does_not_answer_is_named_so(crew: CrewSite) -> None:
    pid = crew.pids()[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        seen = told(crew, "")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert seen["worker"] == 1
    (silent,) = seen["others"]
    assert silent["worker"] == 0
    assert "no answer" in silent["error"]
    assert crew.gateway.admin("/explain?url=guarded").status == 400
    assert crew.connect().get("/pong", HOST).status == 200
