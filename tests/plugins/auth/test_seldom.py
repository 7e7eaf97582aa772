"""Warnings that come again and again."""

from __future__ import annotations

import logging

import pytest

from plugins.auth.seldom import EVERY, Seldom
from tests.plugins.auth.people import Clock


def test_what_goes_wrong_all_the_time_is_a_line_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    away = Seldom(logging.getLogger("gateway.auth"), "it is away: %s", clock)
    for _ in range(100):
        away.warn(OSError("refused"))
    assert caplog.messages == ["it is away: refused"]
    clock.ahead += EVERY + 1
    away.warn(OSError("refused"))
    assert len(caplog.messages) == 2
