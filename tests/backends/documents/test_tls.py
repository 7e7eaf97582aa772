"""Documents over TLS: the server's certificate is verified, the client's is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.documents import DRIVERS
from backends.errors import BackendUnavailable
from tests.backends.tls_tunnel import tunnel
from tests.engines.mongodb import MongoDB

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine


async def test_mongodb(mongodb: MongoDB, tmp_path: Path) -> None:
    async with tunnel(tmp_path, mongodb.port) as secured:
        url = f"mongodb://localhost:{secured.port}/db?timeout=2s"
        documents = DRIVERS.open(f"{url}&tls_ca={secured.ca}&tls_cert={secured.both}")
        await documents.replace("over_tls", {"_id": 1, "text": "x" * 100_000})
        assert (await documents.get("over_tls", 1))["text"] == "x" * 100_000
        await documents.close()
        for options in (f"tls_ca={secured.ca}", "tls=true"):
            documents = DRIVERS.open(f"{url}&{options}")
            with pytest.raises(BackendUnavailable):
                await documents.check()
            await documents.close()
