"""Documents in what speaks MongoDB's protocol: with change streams, and without."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.documents import DRIVERS, Documents
from backends.errors import BackendError, Refused
from tests.conformance.documents import DocumentsContract, StreamContract, WatchContract
from tests.engines.mongodb import MongoDB
from tests.engines.secantus import Secantus

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine

QUICK = "beat=200ms&poll=20ms"


class WithStreams:
    @pytest.fixture
    async def documents(self, secantus: Secantus) -> AsyncIterator[Documents]:
        driver = DRIVERS.open(f"{secantus.url}?{QUICK}")
        yield driver
        await driver.close()

    @pytest.fixture
    async def other(self, secantus: Secantus) -> AsyncIterator[Documents]:
        driver = DRIVERS.open(f"{secantus.url}?{QUICK}")
        yield driver
        await driver.close()


class Without:
    @pytest.fixture
    async def documents(self, mongodb: MongoDB) -> AsyncIterator[Documents]:
        driver = DRIVERS.open(f"{mongodb.url}?{QUICK}")
        yield driver
        await driver.close()

    @pytest.fixture
    async def other(self, mongodb: MongoDB) -> AsyncIterator[Documents]:
        driver = DRIVERS.open(f"{mongodb.url}?{QUICK}")
        yield driver
        await driver.close()


class ByField:
    """On a server that has change streams, not used."""

    @pytest.fixture
    async def documents(self, secantus: Secantus) -> AsyncIterator[Documents]:
        driver = DRIVERS.open(f"{secantus.url}?{QUICK}&watch=field")
        yield driver
        await driver.close()

    @pytest.fixture
    async def other(self, secantus: Secantus) -> AsyncIterator[Documents]:
        driver = DRIVERS.open(f"{secantus.url}?{QUICK}&watch=field")
        yield driver
        await driver.close()


class TestDocuments(WithStreams, DocumentsContract):
    pass


class TestWatchByStream(WithStreams, WatchContract):
    pass


class TestStream(WithStreams, StreamContract):
    pass


class TestWatchWithoutStreams(Without, WatchContract):
    async def test_without_a_field_it_is_refused(self, documents: Documents, place: str) -> None:
        with pytest.raises(Refused, match="no change streams"):
            async with documents.watch(place):
                pass


class TestWatchByField(ByField, WatchContract):
    pass


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb://host",
        "mongodb://host/",
        "mongodb://host/a/b",
        "mongodb://host/a$b",
        "mongodb://host/db?timeout=5",
        "mongodb://host/db?poll=0s",
        "mongodb://host/db?beat=x",
        "mongodb://host/db?pool=0",
        "mongodb://host/db?watch=never",
        "mongodb://host/db?tls_cert=a&tls_key=b",
        "mongodb://host/db?nothing=1",
    ],
)
def test_what_the_url_must_not_be(url: str) -> None:
    with pytest.raises(BackendError, match="documents: "):
        DRIVERS.open(url)
