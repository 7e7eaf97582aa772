"""A plugin's handlers run as they would in plain aiohttp, behind the route's guards."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from websockets.sync.client import connect as connect_websocket

from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import Client, Closed, dial, request
from tests.e2e.site import Site

SOURCE = Path(__file__).with_name("sample_plugin.py")
HOST = "any.test"
KIB = 1024


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def site(new_site: Site, key: ec.EllipticCurvePrivateKey) -> Site:
    site = new_site
    (site.folder / "sample.py").write_text(SOURCE.read_text())
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    keys = {"keys": [public | {"kid": "one", "alg": "ES256", "use": "sig"}]}
    (site.folder / "keys.json").write_text(json.dumps(keys))
    site.defaults["limits"] = {"body": "20MiB"}
    site.defaults["timeout"]["idle"] = "60s"
    site.plugins["sample"] = {"use": "./sample.py:Sample", "greeting": "good day"}
    site.middlewares |= {
        "stamp": {"use": "./sample.py:Stamp"},
        "nobody": {"use": "ip_filter", "deny": ["127.0.0.0/8"]},
        "marked": {"use": "headers", "response": {"set": {"X-Marked": "yes"}}},
        "limit": {"use": "rate_limit", "rate": "100/s"},
        "cors": {"use": "cors", "origins": ["https://site.test"]},
        "small": {"use": "body_limit", "max": "64KiB"},
        "signed_in": {
            "use": "jwt",
            "issuer": "https://issuer.test",
            "audience": "api",
            "jwks": str(site.folder / "keys.json"),
            "algorithms": ["ES256"],
        },
    }
    for name, middlewares in (
        ("open", ["stamp", "marked", "limit", "cors", "small"]),
        ("denied", ["stamp", "nobody"]),
        ("signed", ["signed_in"]),
        ("wide", []),
    ):
        site.route(
            name,
            f"/{name}/**",
            plugin="sample",
            middlewares=middlewares,
            strip_prefix=f"/{name}",
        )
    return site.start()


@pytest.fixture
def token(key: ec.EllipticCurvePrivateKey) -> str:
    claims = {
        "iss": "https://issuer.test",
        "aud": "api",
        "sub": "alice",
        "exp": int(time.time()) + 600,
    }
    return jwt.encode(claims, key, "ES256", headers={"kid": "one"})


def post(target: str, body: bytes, *lines: str) -> bytes:
    return request("POST", target, HOST, *lines, body=body)


def test_a_handler_sees_the_path_without_its_prefix_and_its_options(client: Client) -> None:
    seen = client.get("/open/hello/b%20c?x=1", HOST)
    assert seen.body == b"good day b c /hello/b%20c?x=1"


def test_a_handler_reads_and_answers_a_body(client: Client) -> None:
    client.send(post("/open/echo", b"\0binary\xff"))
    seen = client.answer()
    assert seen.body == b"\0binary\xff"
    assert seen.value("Content-Type") == b"application/x-echo"


def test_a_handler_reads_a_chunked_body(client: Client) -> None:
    client.send(request("POST", "/open/echo", HOST, "Transfer-Encoding: chunked"))
    client.send(b"5\r\nhello\r\n")
    client.send(b"6\r\n world\r\n0\r\n\r\n")
    assert client.answer().body == b"hello world"
    assert client.get("/open/hello/x", HOST).status == 200


def test_a_handler_streams_an_upload_of_16_mib(client: Client) -> None:
    body = bytes(range(256)) * 65536
    client.send(post("/wide/sum", body))
    assert client.answer().json() == [len(body), zlib.crc32(body)]


def test_a_handler_streams_its_answer(client: Client) -> None:
    for _ in range(2):
        seen = client.get("/open/stream", HOST)
        assert seen.body == b"part 0\npart 1\npart 2\n"
        assert seen.complete


def test_a_handler_answers_a_file_and_a_range_of_it(client: Client) -> None:
    assert client.get("/open/file", HOST).body == SOURCE.read_bytes()
    part = client.get("/open/file", HOST, "Range: bytes=3-6")
    assert (part.status, part.body) == (206, SOURCE.read_bytes()[3:7])


def test_a_handler_speaks_websocket(site: Site) -> None:
    with connect_websocket(
        f"ws://{HOST}/open/ws", sock=dial(site.gateway.address).sock, proxy=None
    ) as socket:
        socket.send("hello")
        assert socket.recv(10) == "HELLO"


def test_head_is_answered_without_a_body(client: Client) -> None:
    client.send(request("HEAD", "/open/hello/x", HOST))
    seen = client.answer("HEAD")
    assert (seen.status, seen.value("Content-Length")) == (200, b"19")
    assert client.get("/open/hello/x", HOST).status == 200


def test_two_cookies_are_two_lines(client: Client) -> None:
    assert len(client.get("/open/cookies", HOST).values("Set-Cookie")) == 2


def test_an_http_exception_is_an_answer_like_any_other(client: Client) -> None:
    seen = client.get("/open/forbidden", HOST)
    assert (seen.status, seen.body, seen.value("X-Why")) == (403, b"not you", b"because")


def test_a_path_or_method_the_plugin_does_not_know_is_404_or_405(client: Client) -> None:
    assert client.get("/open/none", HOST).status == 404
    client.send(post("/open/hello/x", b"x"))
    seen = client.answer()
    assert seen.status == 405
    assert {part.strip() for part in (seen.value("Allow") or b"").split(b",")} == {b"GET", b"HEAD"}


def test_a_handler_that_raises_is_a_problem_and_a_trace_with_the_same_id(
    client: Client, site: Site
) -> None:
    with site.gateway.expecting_a_traceback():
        refused = client.get("/open/boom", HOST)
        assert_problem(refused, 500)
        assert b"secret" not in refused.body
        identity = refused.json()["request_id"]
        eventually(lambda: "secret inside" in site.gateway.log(), "the trace")
        log = site.gateway.log()
        assert "Traceback" in log
        assert identity in log
    if refused.values("Connection"):
        client.sees_the_end()
        client = site.connect()
    assert client.get("/open/hello/x", HOST).status == 200


def test_a_handler_that_raises_half_way_breaks_its_answer(client: Client, site: Site) -> None:
    with site.gateway.expecting_a_traceback():
        before = len(site.gateway.log())
        seen = client.get("/open/boom_late", HOST)
        assert seen.status == 200
        assert not seen.complete
        assert b"secret" not in client.received
        eventually(lambda: "secret inside" in site.gateway.log()[before:], "the trace")


def test_middlewares_change_a_plugin_s_answer(client: Client) -> None:
    for path in ("hello/x", "stream", "file", "forbidden", "none"):
        seen = client.get(f"/open/{path}", HOST)
        assert seen.value("X-Stamp") == b"open", path
        assert seen.value("X-Marked") == b"yes", path
        assert seen.value("RateLimit-Policy"), path
    allowed = client.get("/open/hello/x", HOST, "Origin: https://site.test")
    assert allowed.value("Access-Control-Allow-Origin") == b"https://site.test"


def test_a_guard_refuses_before_the_handler_runs(client: Client) -> None:
    before = client.get("/open/served", HOST).json()
    assert_problem(client.get("/denied/hello/x", HOST), 403)
    assert_problem(client.get("/signed/hello/x", HOST), 401)
    assert_problem(client.get("/signed/hello/x", HOST, "Authorization: Bearer x.y.z"), 401)
    assert client.get("/open/served", HOST).json() == before


@pytest.mark.parametrize("apart", [False, True], ids=["one segment", "two segments"])
def test_bytes_after_an_upgrade_that_a_plugin_ignores_reach_no_handler_unguarded(
    client: Client, site: Site, apart: bool
) -> None:
    """The plugin's own path `/hello/x` has no guard: those stand on the gateway's routes."""
    before = client.get("/open/served", HOST).json()
    upgrade = request("GET", "/open/stream", HOST, "Connection: Upgrade", "Upgrade: foo")
    hidden = request("GET", "/hello/hidden", HOST) * 3
    if apart:
        client.send(upgrade)
        client.read_head()
        client.send(hidden)
    else:
        client.send(upgrade + hidden)
    client.wait_closed()
    assert b"hidden" not in client.received
    assert site.connect().get("/open/served", HOST).json() == before


def test_the_response_phase_runs_for_a_guard_s_refusal_too(client: Client) -> None:
    assert client.get("/denied/hello/x", HOST).value("X-Stamp") == b"denied"


def test_a_handler_finds_the_verified_identity(client: Client, token: str) -> None:
    seen = client.get("/signed/who", HOST, f"Authorization: Bearer {token}")
    assert seen.status == 200
    who = seen.json()
    assert (who["subject"], who["kind"], who["route"]) == ("alice", "jwt", "signed")
    assert who["client_ip"] == "127.0.0.1"


def test_a_handler_finds_its_request_s_id(client: Client) -> None:
    ids = {client.get("/open/who", HOST).json()["request_id"] for _ in range(3)}
    assert len(ids) == 3
    assert "" not in ids


def test_an_identity_is_not_carried_to_the_next_request(client: Client, token: str) -> None:
    client.get("/signed/who", HOST, f"Authorization: Bearer {token}")
    assert client.get("/open/who", HOST).json()["subject"] is None


def test_a_body_over_the_limit_is_413_at_once(client: Client) -> None:
    client.send(request("POST", "/open/echo", HOST, f"Content-Length: {65 * KIB}"))
    assert_problem(client.answer(), 413)


@pytest.mark.parametrize("path", ["echo", "sum"])
def test_a_chunked_body_over_the_limit_is_413(client: Client, path: str) -> None:
    client.send(request("POST", f"/open/{path}", HOST, "Transfer-Encoding: chunked"))
    for _ in range(17):
        client.send(b"1000\r\n" + b"a" * 4096 + b"\r\n")
    assert_problem(client.answer(), 413)
    client.wait_closed()


def test_a_body_nobody_read_does_not_become_a_request(client: Client) -> None:
    inner = request("GET", "/open/served", HOST)
    client.send(post("/open/forbidden", inner) + request("GET", "/open/hello/x", HOST))
    assert client.answer().status == 405
    with contextlib.suppress(Closed):
        assert client.answer().body.startswith(b"good day x ")
    client.half_close()
    client.sees_the_end()


@pytest.mark.parametrize(
    ("path", "statuses"), [("/open/echo", [100, 200]), ("/denied/echo", [403])]
)
def test_expect_is_answered_after_the_guards(
    client: Client, path: str, statuses: list[int]
) -> None:
    client.send(request("POST", path, HOST, "Expect: 100-continue", "Content-Length: 5"))
    assert client.answer().status == statuses[0]
    if statuses[1:]:
        client.send(b"hello")
        assert client.answer().body == b"hello"


def failed_start(site: Site, source: str, use: str = "./broken.py:Broken") -> str:
    """The log of a start that a plugin must stop."""
    (site.folder / "broken.py").write_text(source)
    site.plugins["fragile"] = {"use": use}
    site.route("pong", respond={"status": 200, "body": "pong"})
    with pytest.raises(AssertionError, match="did not start") as failure:
        site.start()
    process = site.gateway.process
    assert process.wait(10) != 0
    site.forget_gateway()
    return str(failure.value)


def test_a_plugin_that_fails_to_start_stops_the_start_with_name_and_reason(
    own_site: Site,
) -> None:
    log = failed_start(
        own_site,
        "from gateway.plugin import Plugin\n"
        "class Broken(Plugin):\n"
        "    async def start(self):\n"
        "        raise RuntimeError('the moon is full')\n",
    )
    assert "fragile" in log
    assert "the moon is full" in log


def test_a_plugin_that_started_is_stopped_when_a_later_one_fails(own_site: Site) -> None:
    own_site.plugins["early"] = {"use": "./broken.py:Early"}
    failed_start(
        own_site,
        "from pathlib import Path\n"
        "from gateway.plugin import Plugin\n"
        "class Early(Plugin):\n"
        "    async def stop(self):\n"
        "        (self.context.folder / 'early-stopped').touch()\n"
        "class Broken(Plugin):\n"
        "    async def start(self):\n"
        "        raise RuntimeError('no')\n"
        "    async def stop(self):\n"
        "        (self.context.folder / 'broken-stopped').touch()\n",
    )
    assert (own_site.folder / "early-stopped").exists()
    assert (own_site.folder / "broken-stopped").exists()


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("import no_such_module\n", "./broken.py:Broken"),
        ("", "./broken.py:Broken"),
        ("class Broken: pass\n", "./broken.py:Broken"),
        ("", "./missing.py:Broken"),
        ("", "no_such_plugin"),
    ],
    ids=["import fails", "no such class", "not a plugin", "no such file", "no such name"],
)
def test_a_plugin_that_cannot_be_loaded_stops_the_start_with_its_line(
    own_site: Site, source: str, use: str
) -> None:
    log = failed_start(own_site, source, use)
    assert "fragile" in log
    assert "gateway.yaml:" in log


def test_an_unknown_option_stops_the_start_with_a_suggestion(own_site: Site) -> None:
    own_site.plugins["sample"] = {"use": "./sample.py:Sample", "greting": "x"}
    (own_site.folder / "sample.py").write_text(SOURCE.read_text())
    with pytest.raises(AssertionError, match=r"greting[\s\S]*greeting"):
        own_site.start()
    own_site.forget_gateway()


def test_a_plugin_is_stopped_at_the_end(own_site: Site) -> None:
    (own_site.folder / "noted.py").write_text(
        "from gateway.plugin import Plugin\n"
        "class Noted(Plugin):\n"
        "    async def stop(self):\n"
        "        (self.context.folder / 'stopped').touch()\n"
    )
    own_site.plugins["noted"] = {"use": "./noted.py:Noted"}
    own_site.start()
    own_site.gateway.stop()
    assert (own_site.folder / "stopped").exists()


def test_pipelined_requests_to_a_plugin_are_answered_in_order(
    connect: Callable[[], Client],
) -> None:
    client = connect()
    client.send(b"".join(request("GET", f"/open/hello/{n}", HOST) for n in range(20)))
    for number in range(20):
        assert client.answer().body.startswith(f"good day {number} ".encode())
