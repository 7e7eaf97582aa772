from __future__ import annotations

import pytest

from backends.errors import BackendError
from backends.events import DRIVERS, Events
from tests.conformance.events import EventsContract


class TestMemoryEvents(EventsContract):
    @pytest.fixture
    def events(self) -> Events:
        return DRIVERS.open("memory://?queue=20&queue_bytes=100KiB")

    @pytest.fixture
    def namespace(self) -> str:
        return "memory"


@pytest.mark.parametrize(
    "url", ["memory://hunter2", "memory://?queue=0", "memory://?queue_bytes=hunter2"]
)
def test_a_wrong_url_says_what_is_wrong(url: str) -> None:
    with pytest.raises(BackendError, match="events: ") as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)
