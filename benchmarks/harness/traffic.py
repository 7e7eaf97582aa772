"""Puts load on a port: by wrk where it can and is there, else by the harness's own generator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

import msgspec

from benchmarks.harness.processes import pinned
from benchmarks.harness.tally import Kind, Report, Spec

ROOT = Path(__file__).parents[2]
CLOSED: frozenset[Kind] = frozenset({"http"})
SCRIPT = Template("""\
local requests, turn = {}, 0
for _, name in ipairs({$names}) do
  local file = io.open(name, "rb")
  requests[#requests + 1] = file:read("*a")
  file:close()
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nREPORT {"count": %d, "seconds": %f, "errors": %d, ' ..
    '"p50": %f, "p99": %f, "p999": %f, "largest": %f}\\n',
    summary.requests - e.status, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
    latency.max / 1e3))
end
""")
Probe = Callable[[], None]


@dataclass(frozen=True)
class Around:
    """Called when the measured part begins and when it has ended."""

    begin: Probe
    end: Probe


def generator_name() -> str:
    return "wrk" if shutil.which("wrk") else "the harness's own generator"


def load(spec: Spec, folder: Path, cores: frozenset[int], around: Around) -> Report:
    """Blocks for warm-up and measurement. Raises RuntimeError with what the generator said."""
    wrk = shutil.which("wrk")
    if wrk and spec.kind in CLOSED:
        return _by_wrk(wrk, spec, folder, cores, around)
    return _by_own(spec, cores, around)


def _by_wrk(wrk: str, spec: Spec, folder: Path, cores: frozenset[int], around: Around) -> Report:
    script = folder / "wrk.lua"
    names = ", ".join(json.dumps(name) for name in spec.requests)
    script.write_text(SCRIPT.substitute(names=names))
    url = f"http{'s' * spec.tls}://127.0.0.1:{spec.port}/"

    # wrk takes whole seconds; of the warm-up's a part is enough.
    argv = [wrk, "-t1", f"-c{spec.connections}", f"-d{max(1, round(spec.seconds))}s"]
    argv += ["--timeout", "10s", "-s", str(script), url]
    with pinned(cores):
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(argv, capture_output=True, timeout=spec.warm, check=False)  # noqa: S603 - built above
        around.begin()
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - built above
        around.end()
    return wrk_report(done.stdout + done.stderr)


def wrk_report(said: str) -> Report:
    """What the script's `done` wrote, between all that wrk writes itself."""
    for line in said.splitlines():
        if line.startswith("REPORT "):
            return msgspec.json.decode(line.removeprefix("REPORT "), type=Report)
    raise RuntimeError(f"wrk said: {said.strip()[-300:]}")


def _by_own(spec: Spec, cores: frozenset[int], around: Around) -> Report:
    with pinned(cores):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.harness.generator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(spec) + b"\n")
            process.stdin.flush()
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError("the generator could not connect")
            around.begin()
            process.stdin.write(b"go\n")
            process.stdin.flush()
            report = msgspec.json.decode(process.stdout.readline(), type=Report)
            around.end()
        finally:
            process.kill()
    return report
