"""Keys, passwords, another service's word, places at a time and a closed door, end to end."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from argon2 import PasswordHasher

from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import DEADLINE, Client, Message, answer, request
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    listening,
)
from tests.e2e.site import Site

HOST = "guards.test"
KEY = "3f9a0c5d7e1b4826"
IN_FLIGHT = 'gateway_concurrency_in_flight{middleware="%s"}'
WAITING = 'gateway_concurrency_waiting{middleware="%s"}'
TROUBLE = """
from aiohttp import web
from gateway import Plugin


class Trouble(Plugin):
    def routes(self):
        return [web.get("/", self.raise_it)]

    async def raise_it(self, request):
        raise RuntimeError("as the test wants")
"""


@pytest.fixture(scope="module")
def authorizer() -> Iterator[ScriptedUpstream]:
    server = ScriptedUpstream(listening())
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(new_site: Site, authorizer: ScriptedUpstream) -> Site:
    site = new_site
    (site.folder / "trouble.py").write_text(TROUBLE)
    site.plugins["trouble"] = {"use": "./trouble.py"}
    digest = sha256(KEY.encode()).hexdigest()
    ask = f"http://127.0.0.1:{authorizer.listener.getsockname()[1]}/verify"
    site.middlewares |= {
        "partners": {"use": "api_key", "keys": {"acme": digest}},
        "told": {"use": "headers", "request": {"set": {"X-Partner": "${api_key}"}}},
        "staff": {"use": "basic_auth", "users": {"ann": PasswordHasher().hash("secret")}},
        "session": {"use": "forward_auth", "url": ask, "copy": ["X-User"], "timeout": "10s"},
        "closed": {"use": "maintenance", "message": "Back at noon.", "retry_after": "1h"},
        "locals": {"use": "maintenance", "allow": ["127.0.0.0/8"]},
        "few": {"use": "concurrency_limit", "max": 1, "queue": 1},
        "alone": {"use": "concurrency_limit", "max": 1},
        "each": {"use": "concurrency_limit", "max": 1, "key": "header:x-user"},
    }
    for name in ("partners", "staff", "closed", "locals"):
        site.route(name, f"/{name}", hosts=[HOST], middlewares=[name], respond={"body": "in"})
    raises = {"middlewares": ["alone"], "plugin": "trouble", "strip_prefix": "/raises"}
    site.route("raises", "/raises", hosts=[HOST], **raises)
    refused = {"middlewares": ["alone", "closed"], "respond": {}}
    site.route("refused", "/refused", hosts=[HOST], **refused)
    asked = {"middlewares": ["alone", "session"], "respond": {"body": "in"}}
    site.route("asked", "/asked", hosts=[HOST], **asked)
    site.route("briefly", "/asked/briefly", hosts=[HOST], **asked, timeout={"request": "400ms"})
    site.route("alone", "/alone", hosts=[HOST], middlewares=["alone"], respond={"body": "in"})
    site.pool("partner", route={"middlewares": ["partners", "told"]})
    site.pool("session", route={"middlewares": ["session"]})
    site.pool("few", route={"middlewares": ["few"]})
    site.pool("each", route={"middlewares": ["each"]})
    site.pool("tunnel", route={"middlewares": ["each"]})
    timeout = {"request": "400ms", "idle": "60s"}
    brief = {"middlewares": ["few"], "upstream": "few", "timeout": timeout}
    site.route("brief", "/brief", hosts=[HOST], **brief)
    return site.start()


def basic(credentials: str) -> str:
    return "Authorization: Basic " + b64encode(credentials.encode()).decode()


class Scene:
    """A server that says `answer`, and says nothing while it is held."""

    def __init__(self, server: ScriptedUpstream) -> None:
        self.server = server
        self.answer = OK
        self.before = 0
        self._free = threading.Event()
        self._free.set()
        server.script = self._script

    def _script(self, connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            assert self._free.wait(DEADLINE)
            connection.send(self.answer)

    def hold(self) -> None:
        self.before = len(self.server.requests)
        self._free.clear()

    def go_on(self) -> None:
        self._free.set()

    @property
    def fresh(self) -> list[Message]:
        """The requests since it is held."""
        return self.server.requests[self.before :]

    def has(self, count: int) -> None:
        self.server.wait_for(lambda: len(self.fresh) == count)


@pytest.fixture(scope="module")
def scenes(site: Site, authorizer: ScriptedUpstream) -> dict[str, Scene]:
    servers = {**site.scripted, "authorizer": authorizer}
    return {name: Scene(server) for name, server in servers.items()}


@pytest.fixture
def few(scenes: dict[str, Scene]) -> Iterator[Scene]:
    yield from held(scenes["few"])


@pytest.fixture
def each(scenes: dict[str, Scene]) -> Iterator[Scene]:
    yield from held(scenes["each"])


@pytest.fixture
def silent(scenes: dict[str, Scene]) -> Iterator[Scene]:
    """The authorizer, which does not answer until it is told to go on."""
    yield from held(scenes["authorizer"])


def held(scene: Scene) -> Iterator[Scene]:
    scene.hold()
    yield scene
    scene.go_on()


def test_a_key_opens_and_names_its_owner_to_those_after_it(
    client: Client, scenes: dict[str, Scene]
) -> None:
    upstream = scenes["partner"].server
    assert client.get("/", upstream.host, f"X-API-Key: {KEY}").status == 200
    assert upstream.requests[-1].value("X-Partner") == b"acme"


def test_without_a_key_it_is_401_and_the_connection_goes_on(client: Client) -> None:
    refused = client.get("/partners", HOST)
    assert_problem(refused, 401)
    assert refused.value("WWW-Authenticate") == b'ApiKey realm="gateway"'
    assert client.get("/partners", HOST, f"X-API-Key: {KEY}").body == b"in"
    assert_problem(client.get("/partners", HOST, f"X-API-Key: {KEY}0"), 401)


def test_a_password_opens_and_a_wrong_one_does_not(client: Client) -> None:
    assert client.get("/staff", HOST, basic("ann:secret")).body == b"in"
    for wrong in ("ann:guess", "eve:secret"):
        refused = client.get("/staff", HOST, basic(wrong))
        assert_problem(refused, 401)
        assert refused.value("WWW-Authenticate") == b'Basic realm="gateway", charset="UTF-8"'


def test_many_guesses_at_once_do_not_keep_out_who_is_believed(
    connect: Callable[[], Client],
) -> None:
    """Believed for a minute since the test above, or verified here."""
    known = connect()
    assert known.get("/staff", HOST, basic("ann:secret")).body == b"in"
    guessing = [connect() for _ in range(20)]
    for number, guess in enumerate(guessing):
        guess.send(request("GET", "/staff", HOST, basic(f"ann:{number}")))
    assert known.get("/staff", HOST, basic("ann:secret")).body == b"in"
    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(lambda guess: guess.answer().status, guessing))
    assert set(statuses) <= {401, 429}
    assert statuses.count(429) >= 1


def test_in_maintenance_it_is_503_with_the_message(client: Client) -> None:
    refused = client.get("/closed", HOST)
    assert_problem(refused, 503)
    assert refused.json()["detail"] == "Back at noon."
    assert refused.value("Retry-After") == b"3600"


def test_the_answer_to_head_has_no_body(client: Client) -> None:
    for path in ("/closed", "/partners", "/staff"):
        client.send(request("HEAD", path, HOST))
        assert client.answer("HEAD").status in (401, 503)
    assert client.get("/locals", HOST).status == 200


def test_who_is_allowed_passes_in_maintenance(client: Client) -> None:
    assert client.get("/locals", HOST).body == b"in"


def test_the_service_says_who_it_is_and_the_client_cannot(
    client: Client, scenes: dict[str, Scene]
) -> None:
    authorizer, upstream = scenes["authorizer"], scenes["session"].server
    authorizer.answer = answer(b"yes", "X-User: ann")
    lines = ["Cookie: s=1", "X-User: root", "X_User: root", "Content-Length: 4"]
    client.send(request("POST", "/a%20b?c=%41", upstream.host, *lines) + b"body")
    assert client.answer().status == 200
    seen = upstream.requests[-1]
    assert [value for name, value in seen.fields if b"user" in name.lower()] == [b"ann"]
    assert seen.body == b"body"
    asked = authorizer.server.requests[-1]
    assert asked.start == b"GET /verify HTTP/1.1"
    assert asked.value("X-Forwarded-Method") == b"POST"
    assert asked.value("X-Forwarded-Uri") == b"/a%20b?c=%41"
    assert asked.value("X-Forwarded-Host") == upstream.host.encode()
    assert asked.value("X-Forwarded-For") == b"127.0.0.1"
    assert asked.value("Cookie") == b"s=1"
    assert asked.value("X-Request-ID") == seen.value("X-Request-ID")


def test_the_client_cannot_say_who_it_is_in_a_trailer_either(
    client: Client, scenes: dict[str, Scene]
) -> None:
    scenes["authorizer"].answer = answer(b"yes", "X-User: ann")
    upstream = scenes["session"].server
    client.send(request("POST", "/", upstream.host, "Transfer-Encoding: chunked"))
    client.send(b"1\r\na\r\n0\r\nX_User: root\r\n\r\n")
    assert_problem(client.answer(), 400)
    assert all(seen.trailers == [] for seen in upstream.requests)


def test_its_refusal_reaches_the_client_and_nothing_the_upstream(
    client: Client, scenes: dict[str, Scene]
) -> None:
    upstream = scenes["session"].server
    before = len(upstream.requests)
    fields = ["Location: /login", "Set-Cookie: a=1"]
    scenes["authorizer"].answer = answer(b"go", *fields, status="302 Found")
    refused = client.get("/", upstream.host)
    assert (refused.status, refused.body) == (302, b"go")
    assert refused.value("Location") == b"/login"
    assert refused.value("Set-Cookie") == b"a=1"
    assert len(upstream.requests) == before


@pytest.mark.parametrize("ends", ["by a reset", "by its deadline"])
def test_a_place_is_free_again_when_the_request_ends_in_a_later_guard(
    connect: Callable[[], Client], silent: Scene, ends: str
) -> None:
    client = connect()
    client.send(request("GET", "/asked" if ends == "by a reset" else "/asked/briefly", HOST))
    silent.has(1)
    assert_problem(connect().get("/alone", HOST), 503)
    if ends == "by a reset":
        client.reset()
    else:
        assert_problem(client.answer(), 504)
    eventually(lambda: connect().get("/alone", HOST).status == 200, "a free place")


def test_a_place_is_free_again_after_a_refusal_further_down(client: Client) -> None:
    assert [client.get("/refused", HOST).status for _ in range(3)] == [503] * 3
    assert client.get("/alone", HOST).body == b"in"


def test_a_place_is_free_again_when_the_plugin_raises(client: Client, site: Site) -> None:
    with site.gateway.expecting_a_traceback():
        assert [client.get("/raises", HOST).status for _ in range(3)] == [500] * 3
        eventually(lambda: site.gateway.log().count("RuntimeError: as") >= 3, "the traces")
    assert client.get("/alone", HOST).body == b"in"
    assert site.gateway.metric(IN_FLIGHT % "alone") == 0


def test_one_is_served_one_waits_and_the_next_is_503(
    connect: Callable[[], Client], site: Site, few: Scene
) -> None:
    host = few.server.host
    first, second, third = connect(), connect(), connect()
    first.send(request("GET", "/1", host))
    few.has(1)
    second.send(request("GET", "/2", host))
    eventually(lambda: site.gateway.metric(WAITING % "few") == 1, "the second waits")
    refused = third.get("/3", host)
    assert_problem(refused, 503)
    assert refused.value("Retry-After") == b"1"
    few.go_on()
    assert first.answer().status == 200
    assert second.answer().status == 200
    eventually(lambda: site.gateway.metric(IN_FLIGHT % "few") == 0, "the end of both")


def test_who_leaves_the_queue_makes_room_in_it(
    connect: Callable[[], Client], site: Site, few: Scene
) -> None:
    host = few.server.host
    first, leaves, stays = connect(), connect(), connect()
    first.send(request("GET", "/1", host))
    few.has(1)
    leaves.send(request("GET", "/2", host))
    eventually(lambda: site.gateway.metric(WAITING % "few") == 1, "it waits")
    leaves.reset()
    eventually(lambda: site.gateway.metric(WAITING % "few") == 0, "it is gone")
    stays.send(request("GET", "/3", host))
    eventually(lambda: site.gateway.metric(WAITING % "few") == 1, "the next one waits")
    few.go_on()
    assert first.answer().status == 200
    assert stays.answer().status == 200
    assert [seen.target for seen in few.fresh] == [b"/1", b"/3"]


def test_who_waits_longer_than_its_route_allows_gets_504(
    connect: Callable[[], Client], site: Site, few: Scene
) -> None:
    first, impatient = connect(), connect()
    first.send(request("GET", "/1", few.server.host))
    few.has(1)
    assert_problem(impatient.get("/brief", HOST), 504)
    impatient.send(request("POST", "/brief", HOST, body=b"which nobody takes yet"))
    assert_problem(impatient.answer(), 504)
    assert site.gateway.metric(WAITING % "few") == 0
    few.go_on()
    assert first.answer().status == 200


def test_with_a_key_one_client_s_requests_do_not_count_for_another(
    connect: Callable[[], Client], each: Scene
) -> None:
    host = each.server.host
    ann, bob = connect(), connect()
    ann.send(request("GET", "/", host, "X-User: ann"))
    bob.send(request("GET", "/", host, "X-User: bob"))
    each.has(2)
    assert_problem(connect().get("/", host, "X-User: ann"), 429)
    each.go_on()
    assert [ann.answer().status, bob.answer().status] == [200, 200]


def test_a_place_is_held_as_long_as_a_tunnel_stands(
    connect: Callable[[], Client], site: Site, scenes: dict[str, Scene]
) -> None:
    scene = scenes["tunnel"]
    scene.answer = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    tunnel = connect()
    upgrade = ["Connection: upgrade", "Upgrade: x", "X-User: eve"]
    tunnel.send(request("GET", "/", scene.server.host, *upgrade))
    assert tunnel.read_head().status == 101
    assert_problem(connect().get("/", scene.server.host, "X-User: eve"), 429)
    tunnel.reset()
    eventually(lambda: site.gateway.metric(IN_FLIGHT % "each") == 0, "a free place")


def test_a_reload_takes_no_answer_from_who_waits_for_the_service(
    client: Client, site: Site, silent: Scene
) -> None:
    silent.answer = OK
    client.send(request("GET", "/asked", HOST))
    silent.has(1)
    changed = site.config()
    changed["middlewares"]["session"] |= {"timeout": "9s"}
    site.gateway.write(changed)
    assert site.gateway.admin("/reload", "POST").status == 200
    silent.go_on()
    assert client.answer().body == b"in"
