from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.blobs import DRIVERS, Blobs
from tests.conformance.blobs import BlobsContract
from tests.conformance.signed_urls import SignedUrlsContract


@pytest.fixture
async def blobs(azure_url: str) -> AsyncIterator[Blobs]:
    blobs = DRIVERS.open(f"{azure_url}&prefix=in+here/&part_size=1MiB&timeout=20s")
    yield blobs
    await blobs.close()


class TestAzureBlobs(BlobsContract):
    pass


class TestSignedUrls(SignedUrlsContract):
    pass
