"""A middleware whose request phase waits: what may happen to the request meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import Client, request
from tests.e2e.site import Site

GUARD = '''
import asyncio

from gateway import Middleware, Response


class Waits(Middleware):
    async def request(self, exchange):
        """What x-then says, after a turn of the loop; a request that is held waits for ever."""
        await asyncio.sleep(0)
        then = exchange.headers.get("x-then")
        if then == "refuse":
            return Response(403, b"refused")
        if then == "raise":
            raise RuntimeError("the guard is broken")
        if then == "hold":
            marks = self.context.folder
            (marks / "held").touch()
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                (marks / "let-go").touch()
                raise
        return None
'''


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    site = new_site
    (site.folder / "waits.py").write_text(GUARD)
    site.middlewares["waits"] = {"use": "./waits.py:Waits"}
    site.route("pong", "/pong", middlewares=["waits"], respond={"body": "pong"})
    site.route("plain", "/plain", respond={"body": "plain"})
    site.route("brief", "/brief", middlewares=["waits"], respond={}, timeout={"request": "300ms"})
    site.pool("held", route={"middlewares": ["waits"]})
    return site.start()


def then(what: str, path: str = "/pong") -> bytes:
    return request("GET", path, "a.test", f"X-Then: {what}")


def test_a_guard_that_waits_lets_the_request_pass(client: Client) -> None:
    for _ in range(3):
        assert client.get("/pong", "a.test").body == b"pong"


def test_a_guard_that_waits_can_refuse(client: Client) -> None:
    client.send(then("refuse"))
    refused = client.answer()
    assert (refused.status, refused.body) == (403, b"refused")
    assert client.get("/pong", "a.test").status == 200


def test_a_guard_that_fails_after_waiting_refuses_with_500(client: Client, site: Site) -> None:
    with site.gateway.expecting_a_traceback():
        client.send(then("raise"))
        assert_problem(client.answer(), 500)
        eventually(lambda: "the guard is broken" in site.gateway.log(), "the trace")
    assert client.get("/pong", "a.test").status == 200


def test_requests_sent_ahead_wait_for_it_and_stay_in_order(client: Client) -> None:
    client.send(then("pass") + request("GET", "/plain", "a.test") + then("refuse"))
    assert [client.answer().body for _ in range(3)] == [b"pong", b"plain", b"refused"]


def test_a_body_that_comes_meanwhile_is_kept_for_the_upstream(client: Client, site: Site) -> None:
    upstream = site.scripted["held"]
    upstream.start()
    body = bytes(range(256)) * 1024
    client.send(request("POST", "/", upstream.host, f"Content-Length: {len(body)}") + body)
    assert client.answer().status == 200
    assert upstream.requests[0].body == body


def test_a_guard_that_never_answers_is_ended_by_the_route_s_deadline(client: Client) -> None:
    client.send(then("hold", "/brief"))
    assert_problem(client.answer(), 504)
    assert client.get("/plain", "a.test").status == 200


def test_a_client_that_leaves_ends_the_wait(connect: Callable[[], Client], site: Site) -> None:
    held, let_go = site.folder / "held", site.folder / "let-go"
    let_go.unlink(missing_ok=True)
    held.unlink(missing_ok=True)
    client = connect()
    client.send(then("hold"))
    eventually(held.exists, "the guard waits")
    client.reset()
    eventually(let_go.exists, "the guard was let go")
