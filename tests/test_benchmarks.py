"""The benchmarks' configurations, and what becomes of their figures. Nothing is timed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from benchmarks.harness.cost import cpu_seconds, resident_bytes, session, yielding_seconds
from benchmarks.harness.machine import Machine
from benchmarks.harness.measure import Sample
from benchmarks.harness.peers import EVERYONE, HERE
from benchmarks.harness.processes import running
from benchmarks.harness.report import markdown
from benchmarks.harness.results import Results, Row, Table
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.stage import WRITTEN, Ports, text_of
from benchmarks.harness.tally import Report, Spec, percentiles
from benchmarks.harness.traffic import wrk_report
from tests.e2e.gateway_process import free_port

ROOT = Path(__file__).parents[1]
MACHINE = Machine(
    processor="a processor",
    cores=2,
    memory_gib=4.0,
    system="a system",
    kernel="6.1",
    python="3.11",
    generator="wrk",
    commit="abc",
)


def sample(cost: float, *, errors: int = 0, others: float = 0.0) -> Sample:
    return Sample(
        cost=cost,
        per_second=1000.0,
        p50=1.0,
        p99=2.0,
        p999=3.0,
        resident=40.0,
        idle_bytes=2048.0,
        errors=errors,
        proxy_busy=0.9,
        load_busy=0.5,
        others=others,
    )


def results(*rows: Row) -> Results:
    table = Table(
        key="get", title="Small GET", unit="request", metric="cost", note="", rows=[*rows]
    )
    return Results(
        name="fixed",
        began="2026-01-01 00:00 UTC",
        took_seconds=60,
        rounds=3,
        seconds=1,
        machine=MACHINE,
        tables=[table],
    )


OURS = Row(
    label="ait-gateway", peer="ait-gateway", version="1", samples=[sample(30), sample(20), None]
)
THEIRS = Row(
    label="nginx", peer="nginx", version="2", samples=[sample(20), sample(40, errors=2), sample(1)]
)


class TestTheConfigurations:
    @pytest.mark.parametrize("name", ["bare", "chain", "plugin", "routes-10"])
    def test_of_the_gateway_are_taken_by_it(self, name: str, tmp_path: Path) -> None:
        for wanted in ("cert.pem", "key.pem", "jwks.json"):
            (tmp_path / wanted).write_text('{"keys": []}')
        file = tmp_path / f"{name}.yaml"
        file.write_text(
            text_of(f"gateway/{name}.yaml" if name != "routes-10" else "routes-10.yaml")
        )
        (tmp_path / "endpoint.py").write_text(text_of("gateway/endpoint.py"))
        argv = [sys.executable, "-m", "gateway", "check", "-c", str(file)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def test_of_every_contestant_are_there_and_hold_the_ports_that_are_replaced(self) -> None:
        ports = Ports(1, 2, 3, 4, 5)
        for scenario in SCENARIOS:
            for contestant in scenario.contestants:
                files = contestant.peer.configs[contestant.variant]
                texts = "".join(map(text_of, files))
                assert "18080" in texts, contestant
                assert not any(port in ports.put_into(texts) for port in WRITTEN)
                if contestant.workers > 1 and contestant.peer.workers:
                    assert contestant.peer.workers.format(1) in text_of(files[0])

    def test_lie_in_the_folder_only_if_somebody_runs_them(self) -> None:
        named = {file for peer in EVERYONE for files in peer.configs.values() for file in files}
        there = {
            str(path.relative_to(HERE))
            for folder in ("gateway", "peers")
            for path in (HERE / folder).iterdir()
            if path.is_file()
        }
        assert there - named == {"peers/upstream.conf"}


class TestScenarios:
    def test_have_names_of_their_own_and_quick_rows_that_exist(self) -> None:
        assert len({scenario.key for scenario in SCENARIOS}) == len(SCENARIOS)
        for scenario in SCENARIOS:
            labels = [contestant.label for contestant in scenario.contestants]
            assert len(set(labels)) == len(labels)
            assert set(scenario.quick) <= set(labels)
            assert not scenario.quick or scenario.quick[0] == labels[0]


class TestResults:
    def test_take_ratios_within_a_round_only(self) -> None:
        ratio = results(OURS, THEIRS).tables[0].ratio(THEIRS)
        assert ratio is not None
        assert (ratio.least, ratio.median, ratio.most) == (0.5, 1.0, 1.5)

    def test_are_read_back_as_they_were_written(self) -> None:
        found = results(OURS, THEIRS)
        assert msgspec.json.decode(msgspec.json.encode(found), type=Results) == found

    def test_show_ratio_cost_and_errors_of_each_row(self) -> None:
        lines = markdown(results(OURS, THEIRS)).splitlines()
        nginx = next(line for line in lines if line.startswith("| nginx | **"))
        assert "**1.00** [0.50 to 1.50]" in nginx
        assert "20.0 [1.0 to 40.0]" in nginx
        assert nginx.endswith("| 2 |")

    def test_say_why_a_peer_is_missing_in_a_row_as_wide_as_the_others(self) -> None:
        absent = Row(label="KrakenD", peer="KrakenD", missing="not installed: no | go")
        lines = markdown(results(OURS, absent)).splitlines()
        row = next(line for line in lines if line.startswith("| KrakenD"))
        assert "not installed: no / go" in row
        assert row.count("|") == next(line for line in lines if "ratio |" in line).count("|")

    def test_warn_of_a_machine_that_was_not_quiet(self) -> None:
        row = Row(label="a", peer="a", samples=[sample(30, others=0.2), sample(30)])
        assert "In 1 of 2 samples others took more than 5%" in markdown(results(row))


class TestPercentiles:
    def test_are_by_nearest_rank(self) -> None:
        values = list(range(1000, 0, -1))
        assert percentiles(values, 50, 99, 99.9, 100) == [500, 990, 999, 1000]
        assert percentiles([], 50, 99) == [0, 0]


class TestTheReportOfWrk:
    def test_is_found_in_what_it_says(self) -> None:
        said = (
            'Running 1s test\nREPORT {"count": 5, "seconds": 1.5, "errors": 1, "p50": 1, "p99": 2, '
            '"p999": 3, "largest": 4}\n'
        )
        assert wrk_report(said) == Report(
            count=5, seconds=1.5, errors=1, p50=1, p99=2, p999=3, largest=4
        )

    def test_that_is_not_there_is_an_error_with_its_words(self) -> None:
        with pytest.raises(RuntimeError, match="unable to connect"):
            wrk_report("unable to connect to 127.0.0.1")


async def generated(kind: str, port: int, request: Path, **more: float) -> Report:
    """What the generator, as a process, makes of a server at `port`."""
    spec = {"kind": kind, "port": port, "requests": [str(request)], "connections": 4} | more
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.harness.generator"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert msgspec.convert(spec, Spec)
    line = msgspec.json.encode(spec | {"seconds": 0.3, "warm": 0.1})
    said, _ = await process.communicate(line + b"\ngo\n")
    ready, report = said.splitlines()
    assert ready == b"ready"
    return msgspec.json.decode(report, type=Report)


async def answering(request: Path, kind: str, answer: bytes, pause: float, **more: float) -> Report:
    """What it makes of a server that gives this answer after `pause` seconds."""
    request.write_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # noqa: ASYNC240 - before anything is served

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(pause)
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        return await generated(kind, server.sockets[0].getsockname()[1], request, **more)


class TestTheGenerator:
    @pytest.mark.parametrize(("status", "good"), [(b"200 OK", True), (b"500 Broken", False)])
    async def test_counts_whole_answers_and_takes_others_for_errors(
        self, status: bytes, good: bool, tmp_path: Path
    ) -> None:
        answer = b"HTTP/1.1 %s\r\nContent-Length: 100000\r\n\r\n" % status + b"." * 100_000
        report = await answering(tmp_path / "request", "http", answer, 0.001)
        assert (report.count > 0) == good
        assert (report.errors > 0) != good

    async def test_at_a_fixed_rate_counts_from_when_a_request_was_due(self, tmp_path: Path) -> None:
        """Each connection has a request due every 5 ms and an answer after 50: the wait adds up."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        report = await answering(tmp_path / "request", "rate", answer, 0.05, rate=800.0)
        assert report.largest > 150


class TestTheKernelsAccount:
    def test_has_every_process_of_a_session_and_forgets_none_that_works(
        self, tmp_path: Path
    ) -> None:
        port = free_port()
        program = tmp_path / "busy.py"
        program.write_text(
            "import os, socket, threading, time\n"
            f"listener = socket.create_server(('127.0.0.1', {port}))\n"
            "def yields():\n"
            "    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)\n"
            "    while time.thread_time() < 0.05: pass\n"
            "    time.sleep(60)\n"
            "os.fork()\n"
            "threading.Thread(target=yields, daemon=True).start()\n"
            "while time.process_time() < 0.2: pass\n"
            "listener.accept()\n"
            "time.sleep(60)\n"
        )
        cores = frozenset(os.sched_getaffinity(0))
        with running([sys.executable, program], tmp_path, cores, port) as pid:
            deadline = time.monotonic() + 20
            while cpu_seconds(pid) < 0.4 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert cpu_seconds(pid) >= 0.4
            while yielding_seconds(pid) < 0.1 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert 0.1 <= yielding_seconds(pid) < cpu_seconds(pid)
            members = list(session(pid))
            assert len(members) == 2
            assert resident_bytes(pid) > 2**20
        deadline = time.monotonic() + 20
        while list(session(pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(session(pid)) == []

    def test_says_why_a_program_did_not_start(self, tmp_path: Path) -> None:
        dies = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
        cores = frozenset(os.sched_getaffinity(0))
        with (
            pytest.raises(RuntimeError, match=r"exit status 1.*no such thing"),
            running(dies, tmp_path, cores, free_port()),
        ):
            pass
