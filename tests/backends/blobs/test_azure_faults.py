from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.blobs import DRIVERS
from backends.errors import BackendError
from tests.backends.blobs.conftest import container_of
from tests.backends.blobs.engine_faults import EngineFaults
from tests.engines.azurite import KEY, Azurite
from tests.engines.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Azurite]:
    with Azurite(tmp_path / "azurite") as server:
        yield server


@pytest.fixture
async def url(engine: Azurite) -> str:
    return await container_of(engine)


@pytest.fixture
def healthy(azure_url: str) -> str:
    return azure_url


class TestAzurite(EngineFaults):
    SECRET = KEY

    def halt(self, engine: Engine) -> None:
        """Azurite writes what it knows of blobs every few seconds: killed, it forgets."""
        engine.stop()


@pytest.mark.parametrize(
    "url",
    [
        *("azure://", "azure://a", "azure://a?account=x", "azure://a/b?account=x&key=eA=="),
        *("azure://a?account=x&key=eA==&endpoint=y", "azure://a?account=x&key=eA==&parts=0"),
        *("azure://a?account=x&key=eA==&part_size=1B", "azure://a?account=x&key=eA==&z=1"),
        "azure://a?account=x&key=eA==&endpoint=https://u:eA==@b",
    ],
)
def test_a_url_that_does_not_fit_is_refused_when_opened(url: str) -> None:
    with pytest.raises(BackendError) as caught:
        DRIVERS.open(url)
    assert "eA==" not in str(caught.value)
