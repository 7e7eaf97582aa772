"""Search in OpenSearch."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.search import DRIVERS, Search
from tests.conformance.search import SearchContract
from tests.engines.searching import OpenSearch

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine


@pytest.fixture
async def search(opensearch: OpenSearch) -> AsyncIterator[Search]:
    driver = DRIVERS.open(f"{opensearch.url}?shards=1&replicas=0")
    yield driver
    await driver.close()


@pytest.fixture
async def other(opensearch: OpenSearch) -> AsyncIterator[Search]:
    driver = DRIVERS.open(f"{opensearch.url}?shards=1&replicas=0")
    yield driver
    await driver.close()


class TestOpenSearch(SearchContract):
    pass
