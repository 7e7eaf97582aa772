"""`config/gateway.yaml`, as `make run` serves it, on ports of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.gateway_process import TROUBLE, free_port

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0


@dataclass
class Served:
    url: str
    admin: str
    log: Path
    process: subprocess.Popen[bytes]

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port, admin_port, upstream_port = free_port(), free_port(), free_port()
    folder = tmp_path_factory.mktemp("served")
    url, admin = f"http://127.0.0.1:{port}", f"127.0.0.1:{admin_port}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "GATEWAY_ADMIN": admin,
        "GATEWAY_URL": url,
        "DEMO_UPSTREAM": f"127.0.0.1:{upstream_port}",
    }
    command = [sys.executable, "-m", "gateway", "serve", "-c", str(ROOT / "config/gateway.yaml")]
    with (folder / "stderr").open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stdout, stderr=stderr
        )
    served = Served(url, f"http://{admin}", folder / "stderr", process)
    try:
        served.wait_for("ait-gateway listens on")
        yield served
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
    assert not any(word in served.log.read_text() for word in TROUBLE), served.log.read_text()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(served.url, timeout=aiohttp.ClientTimeout(15)) as session:
        yield session


async def test_the_card_shows_the_port_and_the_commands(served: Served) -> None:
    card = served.log.read_text()
    assert f"curl {served.url}/ping" in card
    assert f"curl {served.admin}/metrics" in card


async def test_the_landing_page_is_for_a_browser(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with client.get("/") as answer:
        page = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert f"curl -N {served.url}/api/sse" in page
    assert "$(curl -s" in page


async def test_every_link_on_the_landing_page_leads_somewhere(
    client: aiohttp.ClientSession,
) -> None:
    wanted = {
        "/ping": 200,
        "/api/hello?x=1": 200,
        "/api/": 200,
        "/old/hello": 308,
        "/private/hello": 401,
        "/demo/token": 200,
        "/nowhere": 404,
    }
    async with client.get("/") as answer:
        page = await answer.text()
    async with client.get("/api/") as answer:
        upstream_page = await answer.text()
    for html in (page, upstream_page):
        assert '<link rel="icon" href="data:,">' in html  # or consoles tell of a missing favicon
    for link, status in wanted.items():
        assert f'href="{link}"' in page
        async with client.get(link, allow_redirects=False) as answer:
            assert answer.status == status, link


async def test_the_upstream_shows_what_reached_it(client: aiohttp.ClientSession) -> None:
    async with client.put("/api/a%2Fb?x=%201", data=b"twelve bytes") as answer:
        echo = await answer.json()
    fields = {name.lower(): value for name, value in echo["headers"]}
    assert (echo["method"], echo["body_bytes"]) == ("PUT", 12)
    assert echo["path"].startswith("/a%2Fb?x=")
    assert fields["x-forwarded-proto"] == "http"
    assert fields["x-request-id"]


async def test_a_token_opens_the_guarded_route(client: aiohttp.ClientSession) -> None:
    async with client.get("/demo/token.txt") as answer:
        token = await answer.text()
    async with client.post("/demo/token?sub=bob&scope=other") as answer:
        other = (await answer.json())["access_token"]
    async with client.get("/private/hello", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 200
        assert (await answer.json())["path"] == "/hello"
    async with client.get("/private/hello", headers={"Authorization": f"Bearer {other}"}) as answer:
        assert answer.status == 403


async def test_one_user_may_do_ten_at_once(client: aiohttp.ClientSession) -> None:
    async with client.get("/demo/token.txt?sub=eager") as answer:
        headers = {"Authorization": f"Bearer {await answer.text()}"}

    async def status() -> int:
        async with client.get("/private/hello", headers=headers) as answer:
            return answer.status

    statuses = await asyncio.gather(*(status() for _ in range(40)))
    assert statuses.count(200) >= 10
    assert 429 in statuses


async def test_a_web_socket_is_echoed(client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/api/ws") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"
        await socket.send_bytes(b"\0\xff")
        assert await socket.receive_bytes() == b"\0\xff"


async def test_events_arrive_one_by_one(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/sse") as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readuntil(b"\n\n") == b"id: 0\ndata: tick 0\n\n"


async def test_the_upstream_can_be_slow_and_large_within_reason(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/slow?seconds=0.01") as answer:
        assert await answer.json() == {"waited_seconds": 0.01}
    async with client.get("/api/bytes?size=200000") as answer:
        assert await answer.read() == bytes(200000)
    for target in ("/api/slow?seconds=soon", "/api/bytes?size=1e12", "/api/bytes?size=nan"):
        async with client.get(target) as answer:
            assert answer.status == 400, target


async def test_the_keys_are_published(client: aiohttp.ClientSession) -> None:
    async with client.get("/demo/jwks.json") as answer:
        (key,) = (await answer.json())["keys"]
    assert (key["kty"], key["alg"]) == ("EC", "ES256")
    assert "d" not in key


async def test_the_admin_listener_answers(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get("/ping"):
        pass
    for path, word in {"/healthz": "", "/readyz": "", "/routes": "private"}.items():
        async with client.get(served.admin + path) as answer:
            assert answer.status == 200, path
            assert word in await answer.text()
    async with client.get(f"{served.admin}/metrics") as answer:
        assert (
            'http_request_duration_seconds_count{method="GET",route="ping"' in await answer.text()
        )


async def test_the_readme_names_every_metric_and_no_other(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{served.admin}/metrics") as answer:
        families = set(re.findall(r"^# TYPE ((?:gateway|http)_\w+)", await answer.text(), re.M))
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^\| `((?:gateway|http)_\w+)`", readme, re.M))
    assert {family for family in families if not family.endswith("_created")} <= named
    sources = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    assert {name for name in named if f'"{name}"' not in sources} == set()


async def test_after_a_reload_tokens_are_believed(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with client.post(f"{served.admin}/reload") as answer:
        assert answer.status == 200, await answer.text()
    async with client.get("/api/hello") as answer:
        assert answer.status == 200
    await test_a_token_opens_the_guarded_route(client)
