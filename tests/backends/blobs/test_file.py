from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from backends.blobs import DRIVERS, Blobs
from tests.backends.blobs.serving import served
from tests.conformance.blobs import BlobsContract
from tests.conformance.signed_urls import SignedUrlsContract


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    opened: list[Blobs] = []
    async with served(opened) as public:
        blobs = DRIVERS.open(f"file:///{tmp_path}/blobs?public={quote(public)}")
        opened.append(blobs)
        yield blobs
        await blobs.close()


class TestFileBlobs(BlobsContract):
    pass


class TestSignedUrls(SignedUrlsContract):
    pass
