"""npm's oidc-provider, as a server of OpenID Connect that somebody else wrote."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tests.engines.engine import HOST, ServerProcess
from tests.engines.installed import installed
from tests.missing_engine import missing

SECRET = "a secret: of + 100%"
CALLBACK = "http://localhost/auth/login/with/there/callback"


class Oidc(ServerProcess):
    """Clients `basic`, `post` and `public`, by how they authenticate. It keeps nothing."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        node = shutil.which("node") or missing("there is no node, which oidc-provider runs on")
        library = installed("oidc/node_modules/oidc-provider/lib/index.js")
        script = Path(__file__).with_name("oidc.mjs")
        return [node, str(script), str(library), str(self.port), CALLBACK]

    def answers(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=5.0) as sock:
            sock.sendall(b"GET /jwks HTTP/1.0\r\n\r\n")
            return sock.recv(12).endswith(b"200")
