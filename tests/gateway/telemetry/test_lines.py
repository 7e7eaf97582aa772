"""Where lines end. What the writer does shows in test_access_log.py and test_logs.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.telemetry.lines import LineWriter, Stream


def test_a_stream_may_be_closed_under_its_name_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        stream = Stream(file)
    os.write(stream.descriptor(), b"still here\n")
    stream.close()
    assert path.read_bytes() == b"still here\n"


def test_a_stream_that_is_closed_already_is_an_error_when_it_is_written(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        pass
    for closed in (file, None):
        stream = Stream(closed)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(stream.descriptor(), b"x")
        stream.close()


def test_what_waits_is_written_before_close_returns_and_close_may_come_twice(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        writer: LineWriter[bytes] = LineWriter(
            Stream(file), b"".join, lost=lambda count: None, failed=lambda error: None
        )
    for number in range(10_000):
        writer.add(b"%d\n" % number)
    writer.close(10)
    writer.close(10)
    assert path.read_bytes().split() == [b"%d" % number for number in range(10_000)]
