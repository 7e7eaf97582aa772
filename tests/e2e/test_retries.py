"""A try that failed is made up for by another one, where that is safe, allowed and paid for."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.upstream.retry import MIN_PER_SECOND, WINDOW
from tests.e2e.fleet import Fleet, Load, group
from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import Client, Closed, answer, request
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    ending,
    replying,
)
from tests.e2e.site import Site

NO_CHECKS = {"passive": None}
BUSY = answer(b"busy", status="503 Service Unavailable")
ENDINGS = {"closed": UpstreamConnection.close, "reset": UpstreamConnection.reset}


Fresh = Callable[[str], tuple[str, ScriptedUpstream, ScriptedUpstream]]
USED: set[str] = set()
KINDS: dict[str, dict[str, Any]] = {
    "ended": {},
    "busy": {"retries": {"on": [503], "attempts": 1}},
    "spent": {"retries": {"on": [503], "attempts": 3}},
    "slow": {
        "deadline_header": "X-Left",
        "retries": {"on": ["timeout"], "attempts": 5, "per_try": "200ms"},
    },
    "small": {"retries": {"max_body": 1000}},
    "large": {"retries": {"max_body": "4MiB"}},
    "none": {"retries": {"attempts": 0}},
}


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.defaults["timeout"]["request"] = "1s"
    for kind, options in KINDS.items():
        for number in range(10):
            group(new_site, f"{kind}-{number}-", 2, health=NO_CHECKS, **options)
    return new_site.start()


@pytest.fixture
def fresh(site: Site) -> Fresh:
    """Of a kind: the name of an upstream that no other test uses, and its two targets."""

    def take(kind: str) -> tuple[str, ScriptedUpstream, ScriptedUpstream]:
        name = next(
            name for name in site.upstreams if name.startswith(f"{kind}-") and name not in USED
        )
        USED.add(name)
        return name, site.scripted[f"{name}0"], site.scripted[f"{name}1"]

    return take


def retries(site: Site, name: str, reason: str) -> float:
    sample = f'gateway_upstream_retries_total{{reason="{reason}",upstream="{name}"}}'
    return site.gateway.metric(sample) or 0.0


def hanging(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.wait_closed()


# Whole processes


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(3)


def test_nobody_notices_that_one_of_three_targets_is_killed(own_site: Site, fleet: Fleet) -> None:
    own_site.upstreams["fleet"] = {"targets": fleet.targets}
    own_site.route("fleet", upstream="fleet")
    own_site.start()
    with fleet, Load(own_site, "fleet.test") as load:
        load.more()
        fleet.members[1].kill()
        load.more()
        fleet.members[1].start()
        load.more()
    assert load.errors == []
    assert load.bodies.keys() == {b"member0", b"member1", b"member2"}


def test_nobody_notices_that_one_of_three_targets_stands_still(
    own_site: Site, fleet: Fleet
) -> None:
    own_site.upstreams["fleet"] = {
        "targets": fleet.targets,
        "retries": {"attempts": 2, "on": ["connect", "reset", "timeout"], "per_try": "300ms"},
        "health": {"passive": {"failures": 2, "eject_for": "1s"}, "slow_start": "0s"},
    }
    own_site.route("fleet", upstream="fleet")
    own_site.start()
    with fleet, Load(own_site, "fleet.test") as load:
        load.more()
        fleet.members[1].signal(signal.SIGSTOP)
        load.more()
        fleet.members[1].signal(signal.SIGCONT)
        before = load.bodies[b"member1"]
        eventually(lambda: load.bodies[b"member1"] > before, "its coming back")
    assert load.errors == []


def test_nobody_notices_that_kept_connections_are_stale(own_site: Site) -> None:
    stale = group(own_site, "stale", 3)
    for at, member in enumerate(stale):
        member.script = ending(answer(b"%d" % at), UpstreamConnection.close)
    own_site.start()
    with Load(own_site, "stale.test") as load:
        load.more(600)
    assert load.errors == []
    assert load.bodies.keys() == {b"0", b"1", b"2"}


# One request


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"garbage\r\n\r\n"])
def test_a_get_that_brought_no_answer_is_sent_to_another_target(
    client: Client, fresh: Fresh, raw: bytes, end: Callable[[UpstreamConnection], None]
) -> None:
    name, bad, good = fresh("ended")
    bad.script = ending(raw, end)
    good.script = replying(answer(b"good"))
    for _ in range(6):
        assert client.get("/", f"{name}.test").body == b"good"
    assert len(bad.requests) >= 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_is_not_idempotent_is_sent_once(client: Client, fresh: Fresh, method: str) -> None:
    name, bad, good = fresh("ended")
    bad.script = ending(b"", UpstreamConnection.reset)
    good.script = replying(OK)
    statuses = []
    for _ in range(4):
        client.send(request(method, "/", f"{name}.test", body=b"x"))
        statuses.append(client.answer().status)
    assert sorted(statuses) == [200, 200, 502, 502]
    assert (len(bad.heads), len(good.heads)) == (2, 2)


def test_an_answer_that_has_begun_is_never_made_up_for(client: Client, fresh: Fresh) -> None:
    name, bad, good = fresh("ended")
    bad.script = good.script = ending(
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", UpstreamConnection.close
    )
    client.send(request("GET", "/", f"{name}.test"))
    assert not client.answer().complete
    assert len(bad.heads) + len(good.heads) == 1


def test_without_attempts_nothing_is_tried_again(client: Client, fresh: Fresh) -> None:
    name, bad, good = fresh("none")
    bad.script = good.script = ending(b"", UpstreamConnection.close)
    assert_problem(client.get("/", f"{name}.test"), 502)
    assert len(bad.heads) + len(good.heads) == 1


@pytest.mark.parametrize("rest", [b"busy", b"b"], ids=["whole", "half"])
def test_a_503_is_swallowed_where_another_target_can_answer(
    client: Client, site: Site, fresh: Fresh, rest: bytes
) -> None:
    name, bad, good = fresh("busy")
    head = BUSY.removesuffix(b"busy")
    bad.script = replying(head + rest)
    good.script = replying(answer(b"good"))
    before = retries(site, name, "503")
    for _ in range(6):
        seen = client.get("/", f"{name}.test")
        assert (seen.status, seen.body) == (200, b"good")
    assert len(bad.requests) == retries(site, name, "503") - before >= 2


def test_the_last_503_is_passed_on_as_it_is(client: Client, fresh: Fresh) -> None:
    name, *both = fresh("busy")
    for member in both:
        member.script = replying(BUSY)
    seen = client.get("/", f"{name}.test")
    assert (seen.status, seen.body) == (503, b"busy")
    assert [len(member.requests) for member in both] == [1, 1]


def test_a_503_to_a_post_is_passed_on(client: Client, fresh: Fresh) -> None:
    name, *both = fresh("busy")
    for member in both:
        member.script = replying(BUSY)
    client.send(request("POST", "/", f"{name}.test", body=b"x"))
    assert client.answer().body == b"busy"
    assert sum(len(member.requests) for member in both) == 1


def test_a_body_is_sent_again_byte_for_byte(client: Client, fresh: Fresh) -> None:
    name, bad, good = fresh("small")
    bad.script = ending(b"", UpstreamConnection.close)
    good.script = replying(OK)
    for number in range(4):
        body = b"%d" % number * 900
        client.send(request("PUT", "/", f"{name}.test", body=body))
        assert client.answer().status == 200
        assert good.requests[-1].body == body
    chunked = request("PUT", "/", f"{name}.test", "Transfer-Encoding: chunked")
    for _ in range(2):
        client.send(chunked + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n")
        assert client.answer().status == 200
        assert (good.requests[-1].body, good.requests[-1].trailers) == (b"abcdefg", [b"X-T: 1"])
    assert len(bad.requests) >= 3


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "counted"])
def test_a_body_on_its_way_when_the_connection_ends_is_sent_again_whole(
    client: Client, fresh: Fresh, chunked: bool
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request_head()
        connection.reset()

    name, bad, good = fresh("large")
    bad.script = script
    good.script = replying(OK)
    for number in range(4):
        body = b"%d" % number * 1_000_000
        if chunked:
            pieces = [body[at : at + 5000] for at in range(0, len(body), 5000)]
            client.send(request("PUT", "/", f"{name}.test", "Transfer-Encoding: chunked"))
            client.send(b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces))
            client.send(b"0\r\n\r\n")
        else:
            client.send(request("PUT", "/", f"{name}.test", body=body))
        assert client.answer().status == 200
        assert good.requests[-1].body == body
    assert len(bad.heads) >= 2


def test_a_body_too_long_to_be_kept_is_not_sent_again(client: Client, fresh: Fresh) -> None:
    name, bad, good = fresh("small")
    bad.script = good.script = ending(b"", UpstreamConnection.close)
    client.send(request("PUT", "/", f"{name}.test", body=b"x" * 1001))
    assert_problem(client.answer(), 502)
    assert len(bad.heads) + len(good.heads) == 1


def test_what_cannot_be_paid_for_is_not_tried_again(
    client: Client, site: Site, fresh: Fresh
) -> None:
    name, *both = fresh("spent")
    for member in both:
        member.script = replying(BUSY)
    asked = 300
    began = time.monotonic()
    for _ in range(asked):
        assert client.get("/", f"{name}.test").status == 503
    sent = sum(len(member.requests) for member in both)
    always = MIN_PER_SECOND * (WINDOW + time.monotonic() - began)
    assert asked < sent <= asked * 1.2 + always + 1
    exhausted = f'gateway_upstream_retry_budget_exhausted_total{{upstream="{name}"}}'
    assert (site.gateway.metric(exhausted) or 0) > 0


def test_the_deadline_is_spent_once_over_all_tries_and_passed_on(
    client: Client, fresh: Fresh
) -> None:
    name, *both = fresh("slow")
    for member in both:
        member.script = hanging
    assert_problem(client.get("/", f"{name}.test", "X-Left: 99999", "x-left: 5"), 504)
    left = [int(seen.value("X-Left") or b"-1") for member in both for seen in member.heads]
    assert 2 <= len(left) <= 6
    assert len(set(left)) == len(left)
    assert max(left) in range(800, 1001)
    assert min(left) >= 0


def test_one_that_is_too_slow_is_left_for_another(client: Client, fresh: Fresh) -> None:
    name, bad, good = fresh("slow")
    bad.script = hanging
    good.script = replying(answer(b"good"))
    for _ in range(4):
        assert client.get("/", f"{name}.test").body == b"good"
    assert len(bad.requests) >= 1
    assert all(connection.ended.wait(10) for connection in bad.connections)


def test_a_try_that_cannot_be_repeated_may_take_all_the_time_there_is(
    client: Client, fresh: Fresh
) -> None:
    def script(connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            connection.sock.settimeout(0.4)
            try:
                connection.sock.recv(1)
            except TimeoutError:
                connection.sock.settimeout(10)
                connection.send(answer(b"late"))
            else:
                raise Closed(b"", reset=False)

    name, *both = fresh("slow")
    for member in both:
        member.script = script
    client.send(request("POST", "/", f"{name}.test", body=b"x"))
    assert client.answer().body == b"late"


def test_a_client_that_leaves_between_two_tries_ends_them(own_site: Site) -> None:
    both = group(own_site, "later", 2, retries={"attempts": 5, "backoff": "60s"}, health=NO_CHECKS)
    for member in both:
        member.script = ending(b"", UpstreamConnection.close)
    own_site.start()
    client = own_site.connect()
    client.send(request("GET", "/", "later.test"))
    eventually(lambda: sum(len(member.heads) for member in both) == 1)
    client.reset()
    eventually(lambda: own_site.gateway.metric("gateway_requests_in_flight") == 0)
    assert sum(len(member.heads) for member in both) == 1
