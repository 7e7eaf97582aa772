"""Targets that fail are left out, whatever way they fail, and always come back."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.fleet import Fleet, Load, group, healthy, urls
from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import Client, answer
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    ending,
    replying,
)
from tests.e2e.site import Site

QUICK = {"interval": "50ms", "timeout": "200ms", "healthy": 2, "unhealthy": 2}
CHECK = b"/healthz"


class Patient:
    """A script: answers requests with its name, and checks as it is told.

    check: the status, or None for silence.
    """

    def __init__(self, member: ScriptedUpstream, name: bytes) -> None:
        self.check: int | None = 200
        self.name = name
        self.asked = 0
        member.script = self

    def __call__(self, connection: UpstreamConnection) -> None:
        while True:
            if connection.read_request().target != CHECK:
                self.asked += 1
                connection.send(answer(self.name))
            elif self.check is None:
                connection.wait_closed()
                return
            else:
                connection.send(answer(b"well?", status=f"{self.check} Checked"))


def checked(site: Site, count: int, active: dict[str, Any], **health: Any) -> list[Patient]:
    both = group(
        site,
        "checked",
        count,
        health={"active": QUICK | active, "passive": None, "slow_start": "0s"} | health,
        retries={"attempts": 0},
    )
    return [Patient(member, b"%d" % at) for at, member in enumerate(both)]


def logged(site: Site, text: str) -> None:
    eventually(lambda: text in site.gateway.log(), f"the log of {text!r}")


def bodies(client: Client, host: str, count: int = 20) -> set[bytes]:
    return {client.get("/", host).body for _ in range(count)}


@pytest.mark.parametrize("trouble", [500, 404, None], ids=["500", "404", "hangs"])
def test_a_target_whose_check_fails_is_left_out_until_it_succeeds(
    own_site: Site, trouble: int | None
) -> None:
    bad, good = checked(own_site, 2, {"path": CHECK.decode()})
    own_site.start()
    client = own_site.connect()
    assert bodies(client, "checked.test") == {b"0", b"1"}
    bad.check = trouble
    eventually(lambda: healthy(own_site, "checked") == [0, 1])
    assert bodies(client, "checked.test") == {b"1"}
    logged(own_site, f"{urls(own_site, 'checked')[0]} is unhealthy: ")
    bad.check = 302
    eventually(lambda: healthy(own_site, "checked") == [1, 1])
    assert bodies(client, "checked.test") == {b"0", b"1"}
    assert good.check == 200


def test_a_target_that_nobody_listens_at_fails_a_check_that_only_connects(
    own_site: Site,
) -> None:
    with Fleet(2) as fleet:
        own_site.upstreams["fleet"] = {
            "targets": fleet.targets,
            "health": {"active": QUICK, "passive": None, "slow_start": "0s"},
            "retries": {"attempts": 0},
        }
        own_site.route("fleet", hosts=["fleet.test"], upstream="fleet")
        own_site.start()
        client = own_site.connect()
        assert bodies(client, "fleet.test") == {b"member0", b"member1"}
        fleet.members[0].kill()
        eventually(lambda: healthy(own_site, "fleet") == [0, 1])
        assert bodies(client, "fleet.test") == {b"member1"}
        fleet.members[0].start()
        eventually(lambda: healthy(own_site, "fleet") == [1, 1])
        assert bodies(client, "fleet.test") == {b"member0", b"member1"}


def test_with_nobody_to_ask_it_is_503_with_a_reason_in_the_log(own_site: Site) -> None:
    both = checked(own_site, 2, {"path": CHECK.decode()}, panic="0%")
    for patient in both:
        patient.check = 500
    own_site.start()
    client = own_site.connect()
    eventually(lambda: healthy(own_site, "checked") == [0, 0])
    seen = client.get("/", "checked.test")
    assert_problem(seen, 503)
    assert seen.value("Retry-After") == b"1"
    logged(own_site, "no target of upstream checked is healthy")
    both[1].check = 200
    eventually(lambda: healthy(own_site, "checked") == [0, 1])
    assert bodies(client, "checked.test") == {b"1"}


def test_with_too_few_healthy_ones_all_are_asked(own_site: Site) -> None:
    patients = checked(own_site, 3, {"path": CHECK.decode()})
    own_site.start()
    client = own_site.connect()
    patients[0].check = patients[1].check = 500
    eventually(lambda: healthy(own_site, "checked") == [0, 0, 1])
    assert bodies(client, "checked.test") == {b"0", b"1", b"2"}
    logged(own_site, "1 of 3 targets are healthy, so all are asked")


def garbage(connection: UpstreamConnection) -> None:
    ending(b"SSH-2.0-OpenSSH\r\n\r\n", UpstreamConnection.close)(connection)


def resetting(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.reset()


def hanging(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.wait_closed()


def failing(connection: UpstreamConnection) -> None:
    broken = answer(b"broken", "Connection: close", status="500 Internal Server Error")
    ending(broken, UpstreamConnection.close)(connection)


@pytest.mark.parametrize("fault", [garbage, resetting, hanging, failing])
def test_a_target_that_fails_requests_is_left_out_for_a_while(
    own_site: Site, fault: Callable[[UpstreamConnection], None]
) -> None:
    bad, good = group(
        own_site,
        "faulty",
        2,
        health={
            "passive": {
                "failures": 3,
                "eject_for": "1s",
                "on": ["connect", "reset", "timeout", "protocol", "5xx"],
            },
            "slow_start": "0s",
        },
        retries={"attempts": 0},
    )
    own_site.defaults["timeout"]["request"] = "200ms"
    bad.script = fault
    good.script = replying(answer(b"good"))
    own_site.start()
    client = own_site.connect()
    statuses = [client.get("/", "faulty.test").status for _ in range(20)]
    assert len([status for status in statuses if status != 200]) == 3
    logged(own_site, f"{urls(own_site, 'faulty')[0]} is left out for 1 s")
    assert healthy(own_site, "faulty") == [0, 1]
    bad.script = replying(answer(b"well again"))
    eventually(lambda: client.get("/", "faulty.test").body == b"well again", "its coming back")


def test_a_target_that_refuses_is_left_out_and_clients_see_nothing(own_site: Site) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        (good,) = group(own_site, "half", 1)
        good.script = replying(OK)
        refusing = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        own_site.upstreams["half"]["targets"].append({"url": refusing})
        own_site.start()
        with Load(own_site, "half.test", clients=3) as load:
            load.more(200)
        assert load.errors == []
        logged(own_site, f"{refusing} is left out for 10 s")
        retried = 'gateway_upstream_retries_total{reason="connect",upstream="half"}'
        assert 5 <= (own_site.gateway.metric(retried) or 0) < 20


def test_a_reload_that_adds_a_target_keeps_what_is_known_of_the_others(own_site: Site) -> None:
    bad, good, added = group(
        own_site,
        "kept",
        3,
        health={"passive": {"failures": 1, "eject_for": "1h"}},
        retries={"attempts": 0},
    )
    bad.script = resetting
    good.script = replying(answer(b"good"))
    added.script = replying(answer(b"added"))
    later = own_site.upstreams["kept"]["targets"].pop()
    own_site.start()
    client = own_site.connect()
    assert sorted(client.get("/", "kept.test").status for _ in range(10)) == [200] * 9 + [502]
    own_site.upstreams["kept"]["targets"].append(later)
    own_site.gateway.write(own_site.config())
    assert own_site.gateway.admin("/reload", "POST").status == 200
    assert bodies(client, "kept.test") == {b"good", b"added"}
    assert healthy(own_site, "kept") == [0, 1, 1]
    assert len(good.connections) == 1


def test_checks_that_a_reload_brings_and_takes_away(own_site: Site) -> None:
    bad, _ = checked(own_site, 2, {"path": CHECK.decode()})
    bad.check = 500
    with_checks = own_site.upstreams["checked"]["health"].pop("active")
    own_site.start()
    assert bodies(own_site.connect(), "checked.test") == {b"0", b"1"}
    own_site.upstreams["checked"]["health"]["active"] = with_checks
    own_site.gateway.write(own_site.config())
    own_site.gateway.admin("/reload", "POST")
    eventually(lambda: healthy(own_site, "checked") == [0, 1])
    own_site.upstreams["checked"]["health"].pop("active")
    own_site.gateway.write(own_site.config())
    own_site.gateway.admin("/reload", "POST")
    assert healthy(own_site, "checked") == [1, 1]
    assert bodies(own_site.connect(), "checked.test") == {b"0", b"1"}


def test_with_several_workers_all_hear_of_a_check(own_site: Site) -> None:
    own_site.server["workers"] = 2
    bad, _ = checked(own_site, 2, {"path": CHECK.decode(), "timeout": "5s"})
    own_site.start()
    bad.check = 500
    eventually(
        lambda: own_site.gateway.log().count(f"{urls(own_site, 'checked')[0]} is unhealthy") >= 2,
        "the news in both workers",
    )
    assert set.union(*[bodies(own_site.connect(), "checked.test", 1) for _ in range(30)]) == {b"1"}
    bad.check = 200
    eventually(lambda: healthy(own_site, "checked") == [1, 1])


def test_a_worker_that_starts_later_does_not_ask_a_target_known_to_be_unhealthy(
    own_site: Site,
) -> None:
    own_site.server["workers"] = 2
    once = {"path": CHECK.decode(), "interval": "1h", "timeout": "10s"}
    bad, good = checked(own_site, 2, once)
    bad.check = 500
    own_site.start()
    left_out = f"{urls(own_site, 'checked')[0]} is unhealthy"
    eventually(lambda: own_site.gateway.log().count(left_out) == 2, "the news in both workers")
    own_site.gateway.signal(signal.SIGUSR2)
    replaced = "the workers are replaced"
    eventually(lambda: replaced in own_site.gateway.log(), "two new ones")
    eventually(lambda: own_site.gateway.log().count(left_out) == 4, "the news in these as well")
    assert set.union(*[bodies(own_site.connect(), "checked.test", 1) for _ in range(30)]) == {b"1"}
    assert good.asked == 30
