"""Several workers on one port: they share the load, and none of them is missed."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.crew import HOST, PLUGIN, CrewSite, Load, alive, gone
from tests.e2e.gateway_process import accepts, eventually
from tests.e2e.rawhttp import Closed, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, listening

Crew = Callable[..., CrewSite]


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Makes a gateway of so many workers, to be started by the test."""
    made: list[CrewSite] = []

    def make(workers: int = 2, *arguments: str) -> CrewSite:
        made.append(CrewSite(tmp_path, workers, *arguments))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrewSite]:
    site = CrewSite(tmp_path_factory.mktemp("site"), 3)
    site.more_listeners.append(f"unix:{site.folder}/gateway.sock")
    try:
        yield started(site)
    finally:
        site.close()


@pytest.fixture
def site(shared: CrewSite) -> Iterator[CrewSite]:
    """Three workers, which are all there again after the test."""
    yield shared
    shared.close_clients()
    for file in ("trouble", "go"):
        (shared.folder / file).unlink(missing_ok=True)
    shared.all_up()
    shared.gateway.assert_well()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrewSite]:
    """One process, which watches its files."""
    site = CrewSite(tmp_path_factory.mktemp("single"), 1, "--watch")
    try:
        yield started(site)
    finally:
        site.close()


def started(site: CrewSite) -> CrewSite:
    site.start()
    return site.all_up()


def test_all_workers_on_one_port_get_connections(site: CrewSite) -> None:
    pids = site.pids()
    assert sorted(pids) == [0, 1, 2]
    assert len(set(pids.values())) == 3
    assert site.gateway.process.pid not in pids.values()


def test_a_unix_socket_and_a_port_are_served_by_workers_as_well(site: CrewSite) -> None:
    assert site.dial(f"{site.folder}/gateway.sock").get("/pong", HOST).body == b"old"


def test_a_port_that_somebody_else_has_stops_the_start(site: CrewSite, crew: Crew) -> None:
    other = crew(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other.more_listeners.append(f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(AssertionError, match="Address already in use"):
            other.start()
    assert other.gateway.wait() == 1
    other.forget_gateway()
    assert site.ask("/who")


def test_a_worker_that_is_killed_under_load_takes_only_its_own_requests_along(
    site: CrewSite,
) -> None:
    pids = site.pids()
    restarts = site.gateway.metric("gateway_worker_restarts_total") or 0
    victims = site.client_of(pids[1])
    with Load(site) as load:
        os.kill(pids[1], signal.SIGKILL)
        eventually(lambda: gone(pids[1]), "the end of the worker")
        for _ in range(40):
            assert site.ask("/who")["pid"] != pids[1], "a new connection finds another at once"
        load.goes_on()
    # Each client can have lost the one answer that was on its way from that worker.
    assert all(isinstance(each, Closed) for each in load.failed), load.failed
    assert len(load.failed) <= len(load.answered)
    with pytest.raises((Closed, OSError)):
        victims.get("/pong", HOST)
    eventually(lambda: site.pids()[1] != pids[1], "another worker in its seat")
    assert {number: pid for number, pid in site.pids().items() if number != 1} == {
        number: pid for number, pid in pids.items() if number != 1
    }
    assert "worker 1" in site.gateway.log()
    assert "SIGKILL" in site.gateway.log()
    assert site.gateway.metric("gateway_worker_restarts_total") == restarts + 1


def test_a_worker_that_dies_at_each_start_is_tried_ever_more_seldom_and_says_why(
    site: CrewSite,
) -> None:
    pids = site.pids()
    (site.folder / "trouble").write_text("raise")
    os.kill(pids[0], signal.SIGKILL)
    for failure in ("failure 2): worker 0: ", "failure 3): worker 0: "):
        eventually(lambda failure=failure: failure in site.gateway.log(), "a further failure")
        for _ in range(20):
            assert site.ask("/who")["worker"] != 0, "the others take the connections meanwhile"
        assert site.gateway.admin("/readyz").status == 200
        assert site.gateway.metric('gateway_worker_up{worker="0"}') == 0
        (site.folder / "trouble").write_text("die")
    assert "the moon is full" in site.gateway.log()
    (site.folder / "trouble").unlink()
    site.all_up()
    assert [site.pids()[number] for number in (1, 2)] == [pids[1], pids[2]]


def test_a_worker_that_cannot_start_at_all_stops_the_start(crew: Crew) -> None:
    site = crew(2)
    (site.folder / "trouble").write_text("exit 1")
    with pytest.raises(AssertionError, match="did not start"):
        site.start()
    assert site.gateway.wait() == 1
    assert "worker 1: it ended with exit status 7" in site.gateway.log()
    assert not accepts(site.gateway.port)
    site.forget_gateway()


def test_a_start_can_be_given_up(crew: Crew) -> None:
    site = crew(2)
    (site.folder / "trouble").write_text("hang 1")
    site.launch()
    eventually((site.folder / "hanging").exists, "the worker that hangs")
    site.gateway.signal(signal.SIGTERM)
    assert site.gateway.wait() == 0


def test_workers_are_replaced_under_load_without_a_failed_request(site: CrewSite) -> None:
    before = site.pids()
    source = site.folder / "crew.py"
    source.write_text(source.read_text().replace("VERSION = 1", "VERSION = 2"))
    with Load(site) as load:
        site.gateway.signal(signal.SIGUSR2)
        eventually(lambda: not alive(list(before.values())), "the old workers leaving")
        load.goes_on()
    assert load.failed == []
    after = site.pids()
    assert not set(after.values()) & set(before.values())
    assert site.ask("/who")["version"] == 2
    assert "the workers are replaced" in site.gateway.log()
    stopped = {int(pid) for pid in (site.folder / "stopped").read_text().split()}
    assert set(before.values()) <= stopped


def test_with_watch_a_change_of_the_code_replaces_them_without_a_failed_request(
    crew: Crew,
) -> None:
    site = started(crew(2, "--watch"))
    before = site.pids()
    source = site.folder / "crew.py"
    with Load(site) as load:
        source.write_text(source.read_text() + "\nraise ValueError('half an edit')\n")
        eventually(lambda: "the workers are not replaced" in site.gateway.log(), "the refusal")
        assert site.pids() == before
        source.write_text(PLUGIN.read_text().replace("VERSION = 1", "VERSION = 2"))
        eventually(lambda: not alive(list(before.values())), "the old workers leaving")
        load.goes_on()
    assert load.failed == []
    assert {each["version"] for each in site.all_up().everybody().values()} == {2}


def test_with_watch_a_single_process_takes_a_plugin_s_changed_source(single: CrewSite) -> None:
    assert single.ask("/who")["version"] == 1
    client = single.connect()
    source = single.folder / "crew.py"
    source.write_text(source.read_text().replace("VERSION = 1", "VERSION = 2"))
    eventually(lambda: client.get("/crew/who", HOST).json()["version"] == 2, "the change")


def test_workers_stay_when_the_first_new_one_does_not_start(site: CrewSite) -> None:
    before = site.pids()
    (site.folder / "trouble").write_text("raise")
    site.gateway.signal(signal.SIGUSR2)
    eventually(lambda: "the workers are not replaced" in site.gateway.log(), "the refusal")
    assert site.pids() == before
    assert "the moon is full" in site.gateway.log()


def test_a_worker_that_is_asked_to_go_finishes_and_is_replaced(site: CrewSite) -> None:
    pids = site.pids()
    slow = site.client_of(pids[0])
    slow.send(request("GET", "/crew/hold", HOST))
    os.kill(pids[0], signal.SIGTERM)
    eventually(lambda: site.pids()[0] != pids[0], "another in its seat")
    (site.folder / "go").touch()
    assert slow.answer().json()["pid"] == pids[0]
    eventually(lambda: gone(pids[0]), "its end")


def test_all_workers_drain_and_the_admin_listener_answers_meanwhile(crew: Crew) -> None:
    site = crew(2)
    site.more_listeners.append(f"unix:{site.folder}/gateway.sock")
    pids = started(site).pids()
    slow = [site.client_of(pid) for pid in pids.values()]
    idle = site.connect()
    assert idle.get("/pong", HOST).status == 200
    for client in slow:
        client.send(request("GET", "/crew/hold", HOST))
    site.gateway.signal(signal.SIGTERM)
    eventually(lambda: site.gateway.admin("/readyz").status == 503, "/readyz turning 503")
    assert site.gateway.admin("/healthz").status == 200
    idle.sees_the_end()
    eventually(lambda: not accepts(site.gateway.port), "the listeners closing")
    (site.folder / "go").touch()
    for client, pid in zip(slow, pids.values(), strict=True):
        assert client.answer().json()["pid"] == pid
        client.sees_the_end()
    assert site.gateway.wait() == 0
    assert alive(list(pids.values())) == []
    assert not (site.folder / "gateway.sock").exists()


def test_a_second_signal_breaks_off_what_is_in_flight(crew: Crew) -> None:
    site = crew(2)
    upstream = site.pool("silent", server=ScriptedUpstream(listening()))

    def silence(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.wait_closed()

    upstream.script = silence
    started(site)
    client = site.connect()
    client.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    site.gateway.signal(signal.SIGINT)
    eventually(lambda: site.gateway.admin("/readyz").status == 503, "the drain")
    site.gateway.signal(signal.SIGINT)
    with pytest.raises((Closed, OSError)):
        client.answer()
    assert site.gateway.wait() == 0


def test_workers_end_when_their_supervisor_is_killed(crew: Crew) -> None:
    site = started(crew(2))
    pids = list(site.pids().values())
    client = site.connect()
    assert client.get("/pong", HOST).status == 200
    site.gateway.kill()
    client.sees_the_end()
    eventually(lambda: not alive(pids), "the workers' end")
    site.forget_gateway()


def test_what_one_worker_publishes_all_hear_once(site: CrewSite) -> None:
    site.pids()
    site.ask("/say/hello")
    site.ask("/say/again")

    def heard_by_all() -> bool:
        everybody = site.everybody()
        return len(everybody) == 3 and all(
            sorted(each["heard"][-2:]) == ["again", "hello"] for each in everybody.values()
        )

    eventually(heard_by_all, "the words reaching everybody")


def test_one_worker_leads_and_another_when_it_dies(site: CrewSite) -> None:

    def leaders() -> list[int]:
        return [each["pid"] for each in site.everybody().values() if each["leads"]]

    eventually(lambda: len(leaders()) == 1, "one leader")
    (first,) = leaders()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(found := leaders()) == 1 and found != [first], "another leader")
    site.all_up()
    assert len(leaders()) == 1


def test_who_takes_leave_leads_no_longer_and_hears_the_others_still(site: CrewSite) -> None:
    pids = site.pids()
    eventually(lambda: any(each["leads"] for each in site.everybody().values()), "a leader")
    leader = next(each["pid"] for each in site.everybody().values() if each["leads"])
    kept = site.client_of(leader)
    kept.send(request("GET", "/crew/hold?for=farewell", HOST))
    os.kill(leader, signal.SIGTERM)
    eventually(lambda: all(pid != leader for pid in site.pids().values()), "another in its seat")
    site.ask("/say/farewell")
    (site.folder / "go").touch()
    seen = kept.answer().json()
    assert seen["pid"] == leader
    assert not seen["leads"]
    assert seen["heard"][-1:] == ["farewell"]
    assert set(pids.values()) - {leader} <= set(site.pids().values())


def test_one_worker_has_its_own_broadcast_and_leads(single: CrewSite) -> None:
    single.ask("/say/hello")
    eventually(lambda: single.ask("/who")["heard"] == ["hello"], "its own word")
    seen = single.ask("/who")
    assert (seen["pid"], seen["worker"], seen["leads"]) == (single.gateway.process.pid, 0, True)
