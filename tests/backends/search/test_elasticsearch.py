"""Search in Elasticsearch."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.search import DRIVERS, Search
from tests.conformance.search import SearchContract
from tests.engines.searching import Elasticsearch

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine


@pytest.fixture
async def search(elasticsearch: Elasticsearch) -> AsyncIterator[Search]:
    driver = DRIVERS.open(f"{elasticsearch.url}?shards=1&replicas=0")
    yield driver
    await driver.close()


@pytest.fixture
async def other(elasticsearch: Elasticsearch) -> AsyncIterator[Search]:
    driver = DRIVERS.open(f"{elasticsearch.url}?shards=1&replicas=0")
    yield driver
    await driver.close()


class TestElasticsearch(SearchContract):
    pass
