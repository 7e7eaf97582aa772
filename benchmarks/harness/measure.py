"""One contestant, one time: started, asked once, loaded, weighed, ended."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import msgspec

from benchmarks.harness.cost import Busy, cpu_seconds, resident_bytes
from benchmarks.harness.peers import Start
from benchmarks.harness.processes import Cores, running
from benchmarks.harness.requests import answer_to, raw_requests, written
from benchmarks.harness.scenarios import Contestant, Scenario
from benchmarks.harness.stage import Stage
from benchmarks.harness.tally import Spec
from benchmarks.harness.traffic import Around, load

MIB = 1024 * 1024
READY = 5.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in microseconds for each unit, units a second, latencies in milliseconds, memory in MiB,
    bytes for each idle connection, and how busy the cores were, 0 to 1; `others` is what of the
    proxy's cores was spent by somebody else."""

    cost: float
    per_second: float
    p50: float
    p99: float
    p999: float
    resident: float
    idle_bytes: float
    errors: int
    proxy_busy: float
    load_busy: float
    others: float


class Scales:
    """Reads the proxy's and the cores' accounts when the measured part begins and ends."""

    def __init__(self, pid: int, cores: Cores) -> None:
        self.pid = pid
        self.cores = cores
        self.resting = resident_bytes(pid)

    def begin(self) -> None:
        self.busy = Busy.now()
        self.cpu = cpu_seconds(self.pid)
        self.at = time.monotonic()

    def end(self) -> None:
        self.seconds = time.monotonic() - self.at
        self.cpu = cpu_seconds(self.pid) - self.cpu
        now = Busy.now()
        self.proxy_busy = now.since(self.busy, self.cores.proxy) / self.seconds
        self.load_busy = now.since(self.busy, self.cores.load) / self.seconds
        self.resident = resident_bytes(self.pid)

    @property
    def others(self) -> float:
        """As a share of the proxy's cores; 0 where the load is on them too: it cannot be told."""
        if self.cores.proxy & self.cores.load:
            return 0.0
        return max(0.0, (self.proxy_busy - self.cpu / self.seconds) / len(self.cores.proxy))


def measure(
    stage: Stage,
    scenario: Scenario,
    contestant: Contestant,
    program: Path,
    *,
    name: str,
    seconds: float,
    warm: float,
) -> Sample:
    """Raises RuntimeError when it does not start, or does not answer as the upstream does."""

    traffic = scenario.traffic
    cores = Cores.of_this_machine(contestant.workers)
    config, ports = stage.prepare(contestant.peer, contestant.variant, contestant.workers, name)
    argv = contestant.peer.command(Start(program, config, contestant.workers))
    requests = raw_requests(traffic, contestant.paths or traffic.paths, stage.tokens)
    port = ports.tls if traffic.tls else ports.plain
    spec = Spec(
        kind=traffic.kind,
        port=port,
        requests=written(requests, config.parent),
        connections=traffic.connections,
        seconds=seconds,
        warm=warm,
        rate=traffic.rate,
        tls=traffic.tls,
        fresh=traffic.fresh,
    )
    with running(argv, config.parent, cores.proxy, port) as pid:
        if traffic.kind not in {"websocket", "events"}:
            upstream = stage.upstream if contestant.variant != "plugin" else port
            _same_answer(requests[0], port, traffic.tls, upstream)
        scales = Scales(pid, cores)
        report = load(spec, config.parent, cores.load, Around(scales.begin, scales.end))
    count = max(1, report.count)
    return Sample(
        cost=scales.cpu * 1e6 / count,
        per_second=report.count / report.seconds,
        p50=report.p50,
        p99=report.p99,
        p999=report.p999,
        resident=scales.resident / MIB,
        idle_bytes=(scales.resident - scales.resting) / traffic.connections,
        errors=report.errors,
        proxy_busy=scales.proxy_busy / len(cores.proxy),
        load_busy=scales.load_busy / len(cores.load),
        others=scales.others,
    )


def _same_answer(request: bytes, port: int, tls: bool, upstream: int) -> None:
    """A proxy that answers fast but wrong is no contestant; some listen before they are ready."""
    wanted = answer_to(request, upstream, tls=tls and upstream == port)
    deadline = time.monotonic() + READY
    while True:
        try:
            status, body = answer_to(request, port, tls)
            if status == 200 and (status, body) == wanted:
                return
            trouble = f"answered {status} with {len(body)} bytes, not as the upstream does"
        except (OSError, http.client.HTTPException) as error:
            trouble = f"no answer: {type(error).__name__}"
        if time.monotonic() > deadline:
            raise RuntimeError(trouble)
        time.sleep(0.05)
