"""A gateway with the plugin on a core of its own, an upstream, and who is known there."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from backends.catalogue import Backends
from backends.sql.migrations import migrate
from benchmarks.harness.processes import Cores, free_ports, running
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.oauth.clients import Clients
from plugins.auth.plugin import Auth

CALLBACK = "https://app.example.org/cb"
EMAIL, PASSWORD = "ada@example.org", "violet-harbour-93-lantern"
CONFIG = """
version: 1
server:
  {{listen: ["127.0.0.1:{port}"], admin: null, access_log: "off", trusted_proxies: ["127.0.0.1"]}}
backends: {{sql: "{sql}"}}
plugins:
  auth:
    use: auth
    issuer: "http://localhost/auth"
    accounts: {{address_failures: 10000}}
upstreams: {{up: {{targets: [{{url: "http://127.0.0.1:{upstream}"}}]}}}}
routes:
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
  - {{id: up, match: {{path: /up}}, upstream: up}}
"""


@dataclass(frozen=True)
class Program:
    id: str
    secret: str

    @property
    def field(self) -> str:
        """Of its requests: how it says who it is."""
        return "Authorization: Basic " + b64encode(f"{self.id}:{self.secret}".encode()).decode()


@dataclass(frozen=True)
class Place:
    """leader: of the gateway's session. app: what people log in to."""

    port: int
    leader: int
    client: Program
    app: Program


@asynccontextmanager
async def placed(folder: Path, sql: str) -> AsyncIterator[Place]:
    port, upstream = free_ports(2)
    file = folder / "gateway.yaml"
    file.write_text(CONFIG.format(port=port, sql=sql, upstream=upstream))
    client, app = await _people(sql)
    server = await asyncio.start_server(_answer, "127.0.0.1", upstream)
    argv: list[str | Path] = [sys.executable, "-m", "gateway", "serve", "-c", file]
    try:
        with running(argv, folder, Cores.of_this_machine().proxy, port) as leader:
            yield Place(port, leader, client, app)
    finally:
        server.close()


async def _people(url: str) -> tuple[Program, Program]:
    backends = Backends({"sql": url})
    await backends.ready(["sql"])
    await migrate(backends.sql, "auth", Auth.migrations.folder)
    options = AccountOptions()
    hashing = Hashing(options.hash_memory, options.hash_passes)
    directory = Directory(backends.sql, options, hashing)
    await directory.register(EMAIL, PASSWORD, "127.0.0.1", letter=False)
    known = Clients(backends.sql)
    made, secret = await known.create("bench", ["read", "write"])
    app, key = await known.create("app", redirect_uris=[CALLBACK], first_party=True)
    hashing.stop()
    await backends.close()
    return Program(made.id, secret), Program(app.id, key)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()
