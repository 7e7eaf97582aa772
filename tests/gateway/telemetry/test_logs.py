"""The gateway's own log."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.lines import File
from gateway.telemetry.logs import CAPACITY, LONGEST, JsonLogs


class Written:
    """A logger of its own over a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handler = JsonLogs(File(path))
        self.log = logging.Logger("gateway.test")
        self.log.addHandler(self.handler)

    def lines(self) -> list[dict[str, Any]]:
        self.handler.close()
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    made = Written(tmp_path / "log")
    yield made
    made.handler.close()


def test_a_record_is_one_json_line(written: Written) -> None:
    written.log.warning("%d targets are down", 3, extra={"request_id": "id-1"})
    [line] = written.lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "WARNING",
        "logger": "gateway.test",
        "message": "3 targets are down",
        "request_id": "id-1",
    }


def test_a_trace_is_a_string_in_the_same_line(written: Written) -> None:
    try:
        raise RuntimeError("redis://ann:secret@cache is away")
    except RuntimeError:
        written.log.exception("it failed")
    [line] = written.lines()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: redis://***@cache is away")


def test_passwords_in_urls_are_taken_out(written: Written) -> None:
    written.log.info("connecting to %s", "postgresql://ann:secret@db/x")
    [line] = written.lines()
    assert line["message"] == "connecting to postgresql://***@db/x"


def test_a_message_cannot_break_or_forge_a_line(written: Written) -> None:
    written.log.info('a\n{"level":"ERROR"}\x7f\u2028\udcff')
    [line] = written.lines()
    assert line["message"] == 'a\n{"level":"ERROR"}\x7f\u2028\\udcff'
    assert len(written.path.read_bytes().decode().splitlines()) == 1


def test_endless_messages_are_cut(written: Written) -> None:
    written.log.info("x" * 100_000)
    [line] = written.lines()
    assert len(line["message"]) == LONGEST


def test_arguments_that_do_not_fit_are_a_line_not_an_error(written: Written) -> None:
    written.log.info("%d", "secret")
    [line] = written.lines()
    assert line["message"] == "a record cannot be formatted: TypeError"


def test_a_line_is_there_before_anything_is_closed(written: Written) -> None:
    written.log.info("now")
    while not written.path.read_bytes():
        time.sleep(0.01)


def test_a_stuck_stderr_loses_records_and_says_how_many(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    stuck = Written(path)
    for _ in range(CAPACITY * 2):
        stuck.log.info("x" * 1000)
    os.set_blocking(reader, True)
    text = b""
    while b"records could not be written here" not in text:
        text += os.read(reader, 65536)
        stuck.log.info("more")
    stuck.handler.close()
    os.close(reader)


def test_a_failing_stderr_never_raises() -> None:
    full = JsonLogs(File(Path("/dev/full")))
    log = logging.Logger("gateway.test")
    log.addHandler(full)
    log.error("lost")
    full.close()


PROGRAM = """
import logging, sys
from gateway.telemetry.logs import configure
configure("info")
logging.getLogger("a").debug("hidden")
logging.getLogger("a").info("first")
configure("debug")
logging.getLogger("a").debug("second")
"""


def test_logging_goes_to_stderr_once_however_often_it_is_configured() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == [
        "first",
        "second",
    ]
