"""What the next hop is told about the client, and who is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.forwarding import TrustedProxies
from tests.gateway.serving import Served, serving, upstream

ROUTES = """
upstreams: {up: {targets: [{url: "%s"}]}}
routes: [{id: all, match: {path: "/**"}, upstream: up}]
"""
FILTERED = """
middlewares: {filter: {use: ip_filter, deny: ["192.0.2.7"]}}
routes: [{id: all, match: {path: "/**"}, middlewares: [filter], respond: {status: 200}}]
"""
TRUSTING = 'trusted_proxies: ["127.0.0.1", "10.0.0.0/8"]'


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Served]:
    async with upstream() as echo, serving(tmp_path, ROUTES % echo.url) as served:
        yield served


@pytest.fixture
async def trusting(tmp_path: Path) -> AsyncIterator[Served]:
    async with upstream() as echo, serving(tmp_path, ROUTES % echo.url, TRUSTING) as served:
        yield served


def fields(answer: bytes) -> dict[str, list[str]]:
    """The fields of the head that the upstream echoed, by name in lower case."""
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    found: dict[str, list[str]] = {}
    for line in answer.split(b"\r\n\r\n")[1].decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return found


async def test_the_next_hop_is_told_who_asks(strict: Served) -> None:
    first, second = [fields(await strict.get()) for _ in range(2)]
    assert first["x-forwarded-for"] == ["127.0.0.1"]
    assert first["x-forwarded-proto"] == ["http"]
    assert first["x-forwarded-host"] == ["a.test"]
    assert first["via"] == ["1.1 ait-gateway"]
    assert first["x-request-id"] != second["x-request-id"]


async def test_what_a_stranger_says_is_replaced_however_it_is_spelt(strict: Served) -> None:
    told = fields(
        await strict.get(
            "X-Forwarded-For: 10.0.0.1",
            "x_forwarded_for: 10.0.0.2",
            "X-FORWARDED-PROTO: https",
            "X-Forwarded-Host: evil.test",
            "X-Forwarded-User: root",
            "Forwarded: for=10.0.0.1",
            "X-Request-ID: mine",
        )
    )
    assert told["x-forwarded-for"] == ["127.0.0.1"]
    assert told["x-forwarded-proto"] == ["http"]
    assert told["x-forwarded-host"] == ["a.test"]
    assert "mine" not in told["x-request-id"]
    assert not {"x_forwarded_for", "x-forwarded-user", "forwarded"} & told.keys()


async def test_each_request_of_a_connection_names_its_own_host(strict: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", strict.port)
    for host in ("a.test", "b.test:81", "a.test"):
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        told = fields(head + await reader.readuntil(b"\r\n\r\n"))
        assert told["x-forwarded-host"] == told["host"] == [host]
    writer.close()


async def test_a_request_without_a_host_is_given_the_targets(strict: Served) -> None:
    told = fields(await strict.ask("GET / HTTP/1.0"))
    assert told["host"] == [strict.upstream().targets[0].authority.decode()]
    assert "x-forwarded-host" not in told
    assert told["via"] == ["1.0 ait-gateway"]


async def test_the_host_of_a_whole_url_goes_along(strict: Served) -> None:
    told = fields(await strict.ask("GET http://b.test/ HTTP/1.0"))
    assert told["host"] == told["x-forwarded-host"] == ["b.test"]


async def test_a_trusted_proxy_is_believed_and_added(trusting: Served) -> None:
    told = fields(
        await trusting.get(
            "X-Forwarded-For: 192.0.2.7, 10.0.0.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: public.test",
            "X-Request-ID: from-the-edge",
        )
    )
    assert told["x-forwarded-for"] == ["192.0.2.7, 10.0.0.1, 127.0.0.1"]
    assert told["x-forwarded-proto"] == ["https"]
    assert told["x-forwarded-host"] == ["public.test"]
    assert told["x-request-id"] == ["from-the-edge"]


async def test_what_a_trusted_proxy_left_out_is_filled_in(trusting: Served) -> None:
    told = fields(await trusting.get("X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 192.0.2.8"))
    assert told["x-forwarded-for"] == ["192.0.2.7, 192.0.2.8, 127.0.0.1"]
    assert told["x-forwarded-proto"] == ["http"]
    assert told["x-forwarded-host"] == ["a.test"]
    plain = fields(await trusting.get())
    assert plain["x-forwarded-for"] == ["127.0.0.1"]


@pytest.mark.parametrize("said", ["", "a b", "x" * 129, "<script>", "a\xe9"])
async def test_a_request_id_that_is_none_is_replaced(trusting: Served, said: str) -> None:
    told = fields(await trusting.get(f"X-Request-ID: {said}"))
    assert len(told["x-request-id"]) == 1
    assert said not in told["x-request-id"]


@pytest.mark.parametrize(
    ("preface", "client"),
    [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\7\x0a\0\0\1\0\1\0\2", "192.0.2.7"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "127.0.0.1"),
    ],
)
async def test_a_trusted_proxy_introduces_its_client_once(
    trusting: Served, preface: bytes, client: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", trusting.port)
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(preface + request + request)
    for _ in range(2):
        head = await reader.readuntil(b"\r\n\r\n")
        told = fields(head + await reader.readuntil(b"\r\n\r\n"))
        assert told["x-forwarded-for"] == [client]
    writer.write(preface + request)
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_stranger_introduces_nobody(strict: Served) -> None:
    answer = await strict.ask(
        "PROXY TCP4 192.0.2.7 10.0.0.1 4711 80", "GET / HTTP/1.1", "Host: a.test"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


class TestTrustedProxies:
    @pytest.mark.parametrize(
        "address",
        ["10.1.2.3", "192.0.2.1", "2001:db8::1", "2001:db8::1%eth0", "::ffff:10.1.2.3"],
    )
    def test_networks_hold_their_addresses(self, address: str) -> None:
        assert address in TrustedProxies(["10.1.2.9/8", "192.0.2.1", "2001:db8::/32"])

    @pytest.mark.parametrize("address", ["11.0.0.1", "192.0.2.2", "::1", "", "unix", "a.test", 1])
    def test_nobody_else_is_trusted(self, address: object) -> None:
        assert address not in TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])
        assert address not in TrustedProxies([])

    def test_a_unix_socket_is_trusted_when_it_is_named(self) -> None:
        assert "unix" in TrustedProxies(["unix"])
        assert "10.0.0.1" not in TrustedProxies(["unix"])


@pytest.mark.parametrize(
    ("chain", "status"),
    [
        ("192.0.2.7", 403),
        ("192.0.2.7, 10.0.0.1, 10.0.0.2", 403),
        ("198.51.100.1, 192.0.2.7, 10.0.0.1", 403),
        ("192.0.2.7, 198.51.100.1", 200),
        ("192.0.2.7, nonsense, 10.0.0.1", 200),
        ("10.0.0.1, nonsense", 200),
    ],
)
async def test_the_client_is_the_last_one_that_is_no_trusted_proxy(
    tmp_path: Path, chain: str, status: int
) -> None:
    async with serving(tmp_path, FILTERED, TRUSTING) as served:
        answer = await served.get(f"X-Forwarded-For: {chain}")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
