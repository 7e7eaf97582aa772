from __future__ import annotations

import pytest

from backends.errors import BackendError
from backends.limits import DRIVERS
from backends.limits.memory import MemoryLimits


def test_memory_is_a_driver() -> None:
    assert isinstance(DRIVERS.open("memory://"), MemoryLimits)


@pytest.mark.parametrize("url", ["etcd://me:hunter2@host/0", "hunter2", ""])
def test_an_unknown_scheme_names_the_known_ones_and_no_secret(url: str) -> None:
    with pytest.raises(BackendError, match="memory://") as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)
