from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.fixtures import mongodb
from tests.engines.secantus import Secantus

__all__ = ["mongodb"]


@pytest.fixture(scope="session")
def secantus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secantus]:
    with Secantus(tmp_path_factory.mktemp("secantus")) as engine:
        yield engine
