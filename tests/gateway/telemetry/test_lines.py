"""Where lines end. What the writer does shows in test_access_log.py and test_logs.py."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gateway.telemetry.lines import WHOLE, LineWriter, Stream


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


def test_lines_of_several_writers_on_one_pipe_stay_whole() -> None:
    """As those of several workers do; the reader is slower, so the pipe is full all the time."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        writers: list[LineWriter[bytes]] = [
            LineWriter(Stream(pipe), b"".join, lost=lambda count: None, failed=lambda error: None)
            for _ in range(4)
        ]
    for number in range(4000):
        for name, writer in zip(b"abcd", writers, strict=True):
            writer.add(bytes([name]) * (number % 600) + b"\n")
    for name, writer in zip(b"abcd", writers, strict=True):
        writer.add(bytes([name]) * (WHOLE - 1) + b"\n")
    closing = [threading.Thread(target=writer.close, args=(30,)) for writer in writers]
    for thread in closing:
        thread.start()
    text = b""
    while data := os.read(reading, 5000):
        text += data
    for thread in closing:
        thread.join()
    os.close(reading)
    lines = text.splitlines()
    assert len(lines) == 4 * 4001
    assert [line for line in lines if len(set(line)) > 1] == []


def test_a_line_too_long_for_that_arrives_all_the_same() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        writer: LineWriter[bytes] = LineWriter(
            Stream(pipe), b"".join, lost=lambda count: None, failed=lambda error: None
        )
    lines = [b"a\n", b"b" * 3 * WHOLE + b"\n", b"c\n", b"d" * WHOLE + b"\n"]
    for line in lines:
        writer.add(line)
    writer.close(10)
    assert os.read(reading, 100_000) == b"".join(lines)
    os.close(reading)
