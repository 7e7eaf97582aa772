"""A test whose engine is not there is skipped, and with REQUIRE_SERVICES=1 it fails."""

from __future__ import annotations

import pytest

from tests.engines.installed import installed
from tests.missing_engine import missing


def test_it_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such engine"):
        missing("no such engine")


def test_it_fails_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="no such engine"):
        missing("no such engine")
    with pytest.raises(pytest.fail.Exception, match="make services"):
        installed("no-such-engine")
