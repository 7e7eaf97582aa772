"""Blobs over TLS: the server's certificate is verified, the client's is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.blobs import DRIVERS
from backends.errors import BackendUnavailable
from tests.backends.tls_tunnel import tunnel
from tests.engines.azurite import Azurite
from tests.engines.minio import Minio


async def check(url: str, port: int, folder: Path) -> None:
    async with tunnel(folder, port) as secured:
        url = url.replace(f"http://127.0.0.1:{port}", f"https://localhost:{secured.port}")
        blobs = DRIVERS.open(f"{url}&timeout=5s&{secured.options}")
        await blobs.put("over-tls", b"x" * 100_000)
        async with blobs.get("over-tls") as reading:
            assert await reading.read() == b"x" * 100_000
        await blobs.close()
        for options in (f"tls_ca={secured.ca}", "tls=true"):
            blobs = DRIVERS.open(f"{url}&timeout=1s&{options}")  # Azure's client tries again
            with pytest.raises(BackendUnavailable):
                await blobs.check()
            await blobs.close()


async def test_s3(s3_url: str, minio_server: Minio, tmp_path: Path) -> None:
    await check(s3_url, minio_server.port, tmp_path)


async def test_azure(azure_url: str, azurite_server: Azurite, tmp_path: Path) -> None:
    await check(azure_url, azurite_server.port, tmp_path)
