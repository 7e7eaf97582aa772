"""One JSON line a request, and nothing about it ever hurts a request."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.errors import LoadError
from gateway.exchange import Exchange, Identity
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.lines import CAPACITY, WHOLE
from gateway.telemetry.metrics import Metrics


def exchange(**changes: Any) -> Exchange:
    made = Exchange()
    made.request_id = "id-1"
    made.client_ip = "10.0.0.1"
    made.method = "GET"
    made.host = "api.example.com"
    made.path = b"/users/42"
    made.query = b"token=secret"
    made.route = cast(Any, SimpleNamespace(id="users"))
    made.status = 200
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def dropped(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("gateway_access_log_dropped_total") or 0


def written(path: Path, *exchanges: Exchange) -> list[dict[str, Any]]:
    log = AccessLog(str(path), Metrics())
    for each in exchanges:
        log.record(each, 0.0031234)
    log.close()
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def test_a_line_says_who_asked_for_what_and_how_it_went(tmp_path: Path) -> None:
    [line] = written(
        tmp_path / "log",
        exchange(
            upstream_seconds=0.0029,
            target="10.0.0.5:8080",
            bytes_received=5,
            bytes_sent=111,
            identity=Identity("ann", "jwt"),
            failure="reset",
        ),
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "request_id": "id-1",
        "client_ip": "10.0.0.1",
        "method": "GET",
        "host": "api.example.com",
        "path": "/users/42",
        "status": 200,
        "route": "users",
        "duration_ms": 3.123,
        "upstream_ms": 2.9,
        "target": "10.0.0.5:8080",
        "bytes_in": 5,
        "bytes_out": 111,
        "user": "ann",
        "failure": "reset",
    }


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    [line] = written(tmp_path / "log", exchange())
    assert [line[name] for name in ("upstream_ms", "target", "user", "failure")] == [None] * 4


def test_the_query_is_not_logged(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, exchange())
    assert b"secret" not in path.read_bytes()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"/caf\xc3\xa9", "/café"),
        (b"/\xff\xfe", "/\\xff\\xfe"),
        (b'/"quoted"\\', '/"quoted"\\'),
        (b"/\r\n{}\x00\x1b[2J\x7f", "/\r\n{}\x00\x1b[2J\x7f"),
        ("/\x9b2J\u2028\u2029".encode(), "/\x9b2J\u2028\u2029"),
    ],
)
def test_no_path_can_break_or_forge_a_line(tmp_path: Path, path: bytes, shown: str) -> None:
    file = tmp_path / "log"
    [line] = written(file, exchange(path=path))
    assert line["path"] == shown
    text = file.read_bytes().decode()
    assert len(text.splitlines()) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_text_that_is_no_unicode_is_escaped(tmp_path: Path) -> None:
    [line, other] = written(tmp_path / "log", exchange(host="h\udcff"), exchange())
    assert line["host"] == "h\\udcff"
    assert other["host"] == "api.example.com"


def test_endless_paths_and_hosts_are_cut(tmp_path: Path) -> None:
    [line] = written(tmp_path / "log", exchange(path=b"/" * 9000, host="h" * 9000))
    assert (len(line["path"]), len(line["host"])) == (2048, 256)


@pytest.mark.parametrize("path", [b'"' * 9000, b"\x01" * 9000, b"\xff" * 9000, "ü".encode() * 9000])
def test_whatever_a_client_says_a_line_is_short_enough_for_a_pipe(
    tmp_path: Path, path: bytes
) -> None:
    said = exchange(
        path=path,
        method="M" * 9000,
        host="h" * 9000,
        request_id="r" * 128,
        client_ip="0000:" * 7 + "0000",
        identity=Identity("\x02" * 9000, "jwt"),
    )
    [line] = written(tmp_path / "log", said)
    assert len((tmp_path / "log").read_bytes()) <= WHOLE
    assert line["path"]


def test_the_exchange_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), Metrics())
    reused = exchange(path=b"/first")
    log.record(reused, 0.1)
    reused.path = b"/second"
    log.close()
    assert json.loads(path.read_bytes())["path"] == "/first"


def test_lines_come_in_the_order_of_requests_and_all_of_them(tmp_path: Path) -> None:
    lines = written(tmp_path / "log", *(exchange(status=n) for n in range(20_000)))
    assert [line["status"] for line in lines] == list(range(20_000))


def test_lines_follow_without_anybody_asking(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path), Metrics())
    log.record(exchange(), 0.1)
    until(path.read_bytes)
    log.close()


def test_off_writes_nothing_and_takes_no_thread() -> None:
    threads = threading.active_count()
    log = AccessLog("off", Metrics())
    assert not log.enabled
    log.record(exchange(), 0.1)
    assert threading.active_count() == threads
    log.close()


def test_a_file_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"server\.access_log: .*No such file or directory"):
        AccessLog(str(tmp_path / "missing" / "log"), Metrics())


def test_a_log_file_is_not_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, exchange())
    assert not stat.S_IMODE(path.stat().st_mode) & 0o007


def test_a_rotated_file_is_opened_anew(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    log = AccessLog(str(path), Metrics())
    log.record(exchange(request_id="before"), 0.1)
    until(path.read_bytes)
    path.rename(old)
    log.record(exchange(request_id="after"), 0.1)
    until(lambda: path.exists() and path.read_bytes())
    path.rename(tmp_path / "log.2")
    path.write_bytes(b"")
    log.record(exchange(request_id="again"), 0.1)
    log.close()
    assert b"before" in old.read_bytes()
    assert b"after" in (tmp_path / "log.2").read_bytes()
    assert b"again" in path.read_bytes()


def test_a_folder_that_vanishes_is_counted_logged_once_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, moved = tmp_path / "logs", tmp_path / "moved"
    folder.mkdir()
    metrics = Metrics()
    log = AccessLog(str(folder / "log"), metrics)
    folder.rename(moved)
    for count in (1, 2, 3):
        log.record(exchange(), 0.1)
        until(lambda: dropped(metrics) == count)  # noqa: B023 - called in this turn
    moved.rename(folder)
    (folder / "log").unlink()
    log.record(exchange(request_id="back"), 0.1)
    log.close()
    assert json.loads((folder / "log").read_bytes())["request_id"] == "back"
    assert caplog.text.count("cannot be written") == 1
    assert caplog.text.count("is written again") == 1


def test_a_full_disk_is_counted_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    log = AccessLog("/dev/full", metrics)
    for _ in range(10):
        log.record(exchange(), 0.1)
    log.close()
    assert dropped(metrics) == 10
    assert "No space left on device" in caplog.text


def test_a_reader_that_stops_reading_costs_lines_not_time(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    metrics = Metrics()
    log = AccessLog(str(path), metrics)
    for _ in range(CAPACITY * 2):
        log.record(exchange(), 0.1)
    assert dropped(metrics) > 0
    log.close(0.05)
    os.close(reader)


def test_a_torn_line_does_not_spoil_the_one_after_it(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    metrics = Metrics()
    log = AccessLog(str(path), metrics)
    for _ in range(500):
        log.record(exchange(path=b"/" * 2000), 0.1)
    until(lambda: dropped(metrics) > 0)
    text = b""
    log.record(exchange(request_id="after"), 0.1)
    while b'"after"' not in text:
        try:
            text += os.read(reader, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    log.close()
    os.close(reader)
    lines = text.split(b"\n")
    assert json.loads(lines[-2])["request_id"] == "after"
    whole = sum(line.endswith(b"}") for line in lines)
    assert whole + dropped(metrics) == 501


def test_a_fifo_without_a_reader_does_not_hang_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(LoadError, match="No such device"):
        AccessLog(str(tmp_path / "fifo"), Metrics())


def test_a_record_that_cannot_be_rendered_is_told_once_and_others_follow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    metrics = Metrics()
    log = AccessLog(str(path), metrics)
    for _ in range(3):
        log.record(exchange(), float("nan"))
    log.record(exchange(), 0.1)
    log.close()
    assert json.loads(path.read_bytes())["path"] == "/users/42"
    assert dropped(metrics) == 3
    assert [each.message for each in caplog.records] == [
        "a line of the access log cannot be made; others are counted only"
    ]


PROGRAM = """
import sys
from tests.gateway.telemetry.test_access_log import *
metrics = Metrics()
log = AccessLog("stdout", metrics)
for _ in range(3):
    log.record(exchange(), 0.1)
log.close()
print(int(dropped(metrics)), file=sys.stderr)
"""


def test_stdout_is_given_the_lines() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == [200] * 3
    assert done.stderr.split() == ["0"]


def test_a_stdout_that_was_closed_is_counted_and_survived() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, PROGRAM],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.stderr.splitlines()[-1] == "3"


def test_a_pipe_whose_reader_is_gone_is_counted_and_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.stderr.splitlines()[-1] == "3"
