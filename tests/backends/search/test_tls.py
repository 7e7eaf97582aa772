"""Search over TLS: the server's certificate is verified, the client's is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import BackendUnavailable
from backends.search import DRIVERS
from tests.backends.tls_tunnel import tunnel
from tests.engines.searching import Elasticsearch, OpenSearch, SearchNode

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine


async def check(engine: SearchNode, folder: Path) -> None:
    async with tunnel(folder, engine.port) as secured:
        url = f"{engine.product}://localhost:{secured.port}?timeout=5s"
        search = DRIVERS.open(f"{url}&{secured.options}")
        await search.check()
        await search.close()
        for options in (f"tls_ca={secured.ca}", "tls=true"):
            search = DRIVERS.open(f"{url}&{options}")
            with pytest.raises(BackendUnavailable):
                await search.check()
            await search.close()


async def test_elasticsearch(elasticsearch: Elasticsearch, tmp_path: Path) -> None:
    await check(elasticsearch, tmp_path)


async def test_opensearch(opensearch: OpenSearch, tmp_path: Path) -> None:
    await check(opensearch, tmp_path)
