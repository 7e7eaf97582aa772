"""Azurite, as Azure's blobs."""

from __future__ import annotations

import shutil
import socket
from urllib.parse import quote

from tests.engines.engine import HOST, ServerProcess
from tests.engines.installed import installed
from tests.missing_engine import missing

# The account that Azurite has, as its documentation says.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite(ServerProcess):
    """No container yet. It writes down every five seconds what it has: a kill forgets the rest."""

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}/{ACCOUNT}"

    @property
    def url(self) -> str:
        return self.url_of("container")

    def url_of(self, container: str) -> str:
        query = f"endpoint={self.endpoint}&account={ACCOUNT}&key={quote(KEY, safe='')}"
        return f"azure://{container}?{query}"

    def command(self) -> list[str]:
        node = shutil.which("node") or missing("there is no node, which Azurite runs on")
        return [
            *(node, str(installed("azurite/node_modules/azurite/dist/src/blob/main.js"))),
            *("--blobHost", HOST, "--blobPort", str(self.port), "--silent"),
            *("--location", str(self.folder), "--disableTelemetry", "--skipApiVersionCheck"),
        ]

    def answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=5.0) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return sock.recv(5) == b"HTTP/"
