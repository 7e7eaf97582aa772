"""One admin listener for several workers: reloads of all or none, and numbers that add up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.crew import HOST, CrewSite, Load, gone
from tests.e2e.gateway_process import GatewayProcess, eventually
from tests.e2e.rawhttp import request

SUCCESS = "gateway_config_last_reload_success"
COUNT = 'http_request_duration_seconds_count{method="GET",route="pong",status_code="200"}'
CALLS = 'tests_calls_total{what="who"}'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrewSite]:
    site = CrewSite(tmp_path_factory.mktemp("site"), 3, "--watch")
    try:
        site.start()
        yield site.all_up()
    finally:
        site.close()


@pytest.fixture
def site(shared: CrewSite) -> Iterator[CrewSite]:
    """Three workers that serve what they did at first."""
    routes = list(shared.routes)
    yield shared
    shared.close_clients()
    (shared.folder / "trouble").unlink(missing_ok=True)
    shared.routes = routes
    shared.plugins["crew"].pop("nr", None)
    shared.answer_with("old")
    eventually(lambda: shared.gateway.admin("/reload", "POST").status == 200, "the first table")
    shared.all_up()
    shared.gateway.assert_well()


def counted(site: CrewSite) -> int:
    """Requests for `/pong` so far."""
    return int(site.gateway.metric(COUNT) or 0)


def pongs(site: CrewSite, times: int = 40) -> set[bytes]:
    """What `/pong` says at the workers that chance meets."""
    found = set()
    for _ in range(times):
        client = site.gateway.connect()
        found.add(client.get("/pong", HOST).body)
        client.close()
    return found


def by_signal(gateway: GatewayProcess) -> None:
    gateway.signal(signal.SIGHUP)


def by_admin(gateway: GatewayProcess) -> None:
    assert gateway.admin("/reload", "POST").status == 200


def by_itself(gateway: GatewayProcess) -> None:
    """`--watch` has to see the file change."""


@pytest.mark.parametrize("trigger", [by_signal, by_admin, by_itself])
def test_every_way_of_reloading_reaches_every_worker_under_load(
    site: CrewSite, trigger: Callable[[GatewayProcess], None]
) -> None:
    pids = site.pids()
    with Load(site) as load:
        site.answer_with("new")
        trigger(site.gateway)
        eventually(lambda: pongs(site) == {b"new"}, "the reload")
        load.goes_on()
    assert load.failed == []
    assert load.bodies == {b"old", b"new"}
    assert site.pids() == pids
    assert site.gateway.metric(SUCCESS) == 1


def test_a_bad_file_changes_nothing_anywhere(site: CrewSite) -> None:
    site.gateway.write_text("version: 1\nruotes: []\n")
    refused = site.gateway.admin("/reload", "POST")
    assert refused.status == 422
    assert refused.json()["errors"] == [
        f"{site.gateway.file}:2:1: ruotes: unknown key 'ruotes', did you mean 'routes'?"
    ]
    assert site.gateway.metric(SUCCESS) == 0
    assert pongs(site) == {b"old"}
    site.gateway.file.unlink()
    assert site.gateway.admin("/reload", "POST").status == 422
    site.answer_with("new")
    assert site.gateway.admin("/reload", "POST").status == 200
    assert site.gateway.metric(SUCCESS) == 1
    assert pongs(site) == {b"new"}


def test_when_one_worker_cannot_take_a_table_none_does(site: CrewSite) -> None:
    """A plugin whose options change is started anew, and fails in worker 1 alone."""
    pids = site.pids()
    (site.folder / "stopped").unlink(missing_ok=True)
    (site.folder / "trouble").write_text("raise 1")
    site.plugins["crew"]["nr"] = 1
    site.answer_with("new")
    refused = site.gateway.admin("/reload", "POST")
    assert refused.status == 422
    assert "the moon is full" in str(refused.json()["errors"])
    assert pongs(site) == {b"old"}
    assert {each["nr"] for each in site.everybody().values()} == {0}
    stopped = {int(pid) for pid in (site.folder / "stopped").read_text().split()}
    assert stopped == set(pids.values()), "what was started aside is stopped again, in all three"
    (site.folder / "trouble").unlink()
    assert site.gateway.admin("/reload", "POST").status == 200
    assert pongs(site) == {b"new"}
    assert {each["nr"] for each in site.everybody().values()} == {1}


def test_a_worker_that_is_restarted_serves_by_the_file_that_was_taken(site: CrewSite) -> None:
    site.gateway.write_text("routes: [")
    eventually(lambda: site.gateway.metric(SUCCESS) == 0, "the refusal of the watched file")
    pids = site.pids()
    os.kill(pids[2], signal.SIGKILL)
    eventually(lambda: site.pids()[2] != pids[2], "another in its seat")
    assert pongs(site) == {b"old"}


def test_the_numbers_of_all_workers_add_up_also_after_some_have_gone(site: CrewSite) -> None:
    before = counted(site)
    pongs(site, 60)
    assert counted(site) == before + 60
    pids = site.pids()
    calls = site.gateway.metric(CALLS)
    assert calls is not None
    os.kill(pids[0], signal.SIGKILL)
    eventually(lambda: gone(pids[0]), "its end")
    for _ in range(5):
        assert counted(site) == before + 60
        assert site.gateway.metric(CALLS) == calls
    pongs(site, 20)
    assert counted(site) == before + 80
    site.gateway.signal(signal.SIGUSR2)
    eventually(lambda: all(map(gone, pids.values())), "the roll")
    assert counted(site) == before + 80
    assert site.gateway.metric(CALLS) == calls
    site.all_up()
    for number in range(3):
        assert site.gateway.metric(f'gateway_worker_up{{worker="{number}"}}') == 1
        name = f'gateway_worker_resident_memory_bytes{{worker="{number}"}}'
        assert site.gateway.metric(name) > 10_000_000
    assert site.gateway.metric("process_resident_memory_bytes") > 40_000_000


def test_cpu_seconds_do_not_go_back_when_a_worker_dies(site: CrewSite) -> None:
    pids = site.pids()
    before = site.gateway.metric("process_cpu_seconds_total")
    os.kill(pids[1], signal.SIGKILL)
    eventually(lambda: gone(pids[1]), "its end")
    news = f"worker 1 (process {pids[1]})"
    eventually(lambda: news in site.gateway.log(), "the news of it")
    assert site.gateway.metric("process_cpu_seconds_total") >= before


def test_a_route_that_a_reload_took_away_leaves_the_page(site: CrewSite) -> None:
    site.route("gone", "/gone", respond={"status": 200, "body": "x"})
    site.gateway.write(site.config())
    assert site.gateway.admin("/reload", "POST").status == 200
    client = site.connect()
    assert client.get("/gone", HOST).status == 200
    eventually(lambda: b'route="gone"' in site.gateway.admin("/metrics").body, "the count")
    os.kill(site.pids()[0], signal.SIGKILL)
    assert b'route="gone"' in site.gateway.admin("/metrics").body
    site.routes.pop()
    site.gateway.write(site.config())
    site.all_up()
    assert site.gateway.admin("/reload", "POST").status == 200
    eventually(
        lambda: b'route="gone"' not in site.gateway.admin("/metrics").body, "it being forgotten"
    )


def test_a_worker_that_hangs_delays_a_scrape_by_a_second_and_is_told_of(site: CrewSite) -> None:
    before = counted(site)
    pongs(site, 30)
    assert counted(site) == before + 30
    pid = site.pids()[1]
    os.kill(pid, signal.SIGSTOP)
    try:
        page = site.gateway.admin("/metrics").body.decode()
        assert f"{COUNT} {before + 30}.0\n" in page or f"{COUNT} {before + 30}\n" in page
        assert 'gateway_worker_up{worker="1"} 0.0\n' in page
        assert 'gateway_worker_up{worker="0"} 1.0\n' in page
        assert "worker 1 does not answer" in site.gateway.log()
        assert site.gateway.admin("/readyz").status == 200
        assert site.gateway.admin("/routes").status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: site.gateway.metric('gateway_worker_up{worker="1"}') == 1, "its return")
    assert "worker 1 answers again" in site.gateway.log()


def test_the_table_is_shown_and_explained_by_a_worker(site: CrewSite) -> None:
    table = site.gateway.admin("/routes").json()
    assert {each["id"] for each in table} == {"crew", "pong"}
    assert site.gateway.admin("/explain?url=/pong").json()["route"] == "pong"
    assert site.gateway.admin("/explain?url=pong").status == 400
    assert site.gateway.admin("/readyz").json() == {
        "ready": True,
        "draining": False,
        "failing": [],
        "checks": {},
    }


def test_without_any_worker_the_admin_listener_says_so(site: CrewSite) -> None:
    (site.folder / "trouble").write_text("raise")
    for pid in site.pids().values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: site.gateway.admin("/readyz").status == 503, "/readyz turning 503")
    assert site.gateway.admin("/readyz").json()["failing"] == ["workers"]
    assert site.gateway.admin("/routes").status == 503
    site.gateway.write()
    # One that was just tried anew may still be asked, and has ended.
    nobody = ["no worker is there to look at the file"]
    eventually(
        lambda: site.gateway.admin("/reload", "POST").json().get("errors") == nobody, "the refusal"
    )
    assert site.gateway.admin("/metrics").status == 200
    waiting = site.connect()
    waiting.send(request("GET", "/pong", HOST))
    (site.folder / "trouble").unlink()
    assert waiting.answer().body == b"old", "what connected meanwhile was kept waiting"
    site.all_up()
