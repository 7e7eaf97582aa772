"""Puts the admin application on its own address."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from aiohttp import web

from gateway.admin.guard import LOCAL_NAMES, local_names
from gateway.errors import LoadError

UNIX = "unix:"
LAST_WORDS = 2.0
"""Seconds an answer may still take when the listener is closed."""


class AdminListener(NamedTuple):
    """`await runner.cleanup()` ends it. `address` is what it is bound to, port 0 resolved."""

    runner: web.AppRunner
    address: str


async def start_admin(app: web.Application, address: str) -> AdminListener:
    """Serve on `host:port`, `[v6]:port` or `unix:/path`. LoadError when that cannot be had.

    On a loopback address only requests for loopback's names are answered.
    """
    path = address.removeprefix(UNIX) if address.startswith(UNIX) else None
    host, port = ("", 0) if path is not None else _host_and_port(address)
    if _is_loopback(host):
        app[local_names] = LOCAL_NAMES | {host.lower()}
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_WORDS)
    await runner.setup()
    site = web.TCPSite(runner, host, port) if path is None else web.UnixSite(runner, path)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise LoadError(f"server.admin: {address}: {error.strerror}") from error
    return AdminListener(runner, address if path is not None else _bound(runner))


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise LoadError(f"server.admin: {address}: expected host:port or unix:/path")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _bound(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
