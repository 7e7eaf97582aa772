"""Where the admin listener listens, and whom it answers there."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.admin import AdminListener, admin_app, start_admin
from gateway.errors import LoadError
from tests.gateway.admin.view import View

Start = Callable[[str], Awaitable[AdminListener]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    runners: list[web.AppRunner] = []

    async def starting(address: str) -> AdminListener:
        listener = await start_admin(admin_app(View()), address)
        runners.append(listener.runner)
        return listener

    yield starting
    for runner in runners:
        await runner.cleanup()


async def status(address: str, path: str = "/healthz", **headers: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}{path}", headers=headers) as response,
    ):
        return response.status


async def test_a_free_port_is_found_and_told(start: Start) -> None:
    address = (await start("127.0.0.1:0")).address
    assert not address.endswith(":0")
    assert await status(address) == 200


async def test_an_ipv6_address_is_served(start: Start) -> None:
    address = (await start("[::1]:0")).address
    assert address.startswith("[::1]:")
    assert await status(address) == 200


async def test_a_unix_socket_is_served_even_where_an_old_one_lies(
    start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    listener = await start(f"unix:{path}")
    assert listener.address == f"unix:{path}"
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("http://anything/healthz") as response,
    ):
        assert response.status == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9901", "127.0.0.1:1", "[::1]:9901"])
async def test_on_loopback_loopbacks_names_are_served(start: Start, host: str) -> None:
    address = (await start("127.0.0.1:0")).address
    assert await status(address, Host=host) == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::1", "", "10.0.0.1"])
async def test_on_loopback_other_names_are_refused_against_rebinding(
    start: Start, host: str
) -> None:
    address = (await start("localhost:0")).address
    assert await status(address, Host=host) == 421


async def test_another_loopback_address_may_be_called_by_its_own_name(start: Start) -> None:
    address = (await start("127.0.0.2:0")).address
    assert await status(address) == 200


async def test_elsewhere_any_name_is_served(start: Start) -> None:
    address = (await start("0.0.0.0:0")).address
    port = address.rpartition(":")[2]
    assert await status(f"127.0.0.1:{port}", Host="gateway.internal") == 200


async def test_a_taken_port_stops_the_start(start: Start) -> None:
    address = (await start("127.0.0.1:0")).address
    with pytest.raises(LoadError, match=rf"server\.admin: {address}: .*in use"):
        await start(address)


@pytest.mark.parametrize("address", ["9901", "host:", "host:http", "host:65536"])
async def test_an_address_nobody_can_read_stops_the_start(start: Start, address: str) -> None:
    with pytest.raises(LoadError, match="expected host:port or unix:/path"):
        await start(address)
