"""Requests are shared out as the table says."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.fleet import group
from tests.e2e.rawhttp import Client, answer, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection, replying
from tests.e2e.site import Site

BY_USER = {"consistent_hash": "header:x-user"}


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    named(new_site, "turns", [3, 1, 0])
    named(new_site, "random", [1, 1], balance="random_two")
    named(new_site, "hashed", [1, 1, 1], balance=BY_USER)
    named(new_site, "cookie", [1, 1, 1], balance={"consistent_hash": "cookie:id"})
    named(new_site, "path", [1, 1, 1], balance={"consistent_hash": "path"})
    named(new_site, "ip", [1, 1, 1], balance={"consistent_hash": "ip"})
    named(new_site, "least", [1, 1], balance="least_requests")
    return new_site.start()


def named(site: Site, name: str, weights: list[int], **options: Any) -> list[ScriptedUpstream]:
    """Targets that answer with their number."""
    members = group(site, name, len(weights), **options)
    for at, (target, weight) in enumerate(
        zip(site.upstreams[name]["targets"], weights, strict=True)
    ):
        target["weight"] = weight
        members[at].script = replying(answer(b"%d" % at))
    return members


def shares(client: Client, host: str, count: int, *lines: str) -> Counter[bytes]:
    return Counter(client.get("/", host, *lines).body for _ in range(count))


def test_by_turns_each_has_its_weight_and_0_has_nothing(client: Client) -> None:
    assert shares(client, "turns.test", 40) == {b"0": 30, b"1": 10}


def test_by_chance_each_has_something(client: Client) -> None:
    assert shares(client, "random.test", 100).keys() == {b"0", b"1"}


def test_a_user_stays_at_one_target(connect: Callable[[], Client]) -> None:
    homes = {}
    for user in range(30):
        seen = {connect().get("/", "hashed.test", f"X-User: {user}").body for _ in range(2)}
        assert len(seen) == 1
        homes[user] = seen.pop()
    assert set(homes.values()) == {b"0", b"1", b"2"}


def test_without_the_key_all_are_asked(client: Client) -> None:
    assert shares(client, "hashed.test", 30) == {b"0": 10, b"1": 10, b"2": 10}


def test_a_cookie_a_path_or_an_address_may_be_the_key(client: Client) -> None:
    cookies = [shares(client, "cookie.test", 3, f"Cookie: a=b; id={n}") for n in range(20)]
    assert all(len(each) == 1 for each in cookies)
    assert len({next(iter(each)) for each in cookies}) > 1
    paths = [{client.get(f"/{n}?{q}", "path.test").body for q in range(3)} for n in range(20)]
    assert all(len(each) == 1 for each in paths)
    assert len(set.union(*paths)) > 1
    assert len(shares(client, "ip.test", 20)) == 1


def test_who_has_less_to_do_is_asked(connect: Callable[[], Client], site: Site) -> None:
    busy, free = site.scripted["least0"], site.scripted["least1"]
    go_on = threading.Event()

    def slow(connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            assert go_on.wait(10)
            connection.send(answer(b"0"))

    busy.script = slow
    waiting = connect()
    waiting.send(request("GET", "/", "least.test"))
    busy.wait_for(lambda: len(busy.requests) + len(free.requests) == 1)
    if free.requests:
        waiting.send(request("GET", "/", "least.test"))
        busy.wait_for(lambda: len(busy.requests) == 1)
    assert shares(connect(), "least.test", 20) == {b"1": 20}
    go_on.set()
    assert waiting.answer().status == 200


def test_a_table_whose_weights_are_all_0_is_refused_and_changes_nothing(own_site: Site) -> None:
    named(own_site, "turns", [1, 1])
    own_site.start()
    for target in own_site.upstreams["turns"]["targets"]:
        target["weight"] = 0
    own_site.gateway.write(own_site.config())
    refused = own_site.gateway.admin("/reload", "POST")
    assert refused.status == 422
    assert b"upstreams.turns.targets: every target has weight 0" in refused.body
    assert shares(own_site.connect(), "turns.test", 4) == {b"0": 2, b"1": 2}


def test_a_target_list_that_becomes_empty_is_refused_and_changes_nothing(own_site: Site) -> None:
    named(own_site, "turns", [1, 1])
    own_site.start()
    own_site.upstreams["turns"]["targets"] = []
    own_site.gateway.write(own_site.config())
    refused = own_site.gateway.admin("/reload", "POST")
    assert refused.status == 422
    assert b"upstreams.turns.targets: must not be empty" in refused.body
    assert shares(own_site.connect(), "turns.test", 4) == {b"0": 2, b"1": 2}
