"""On what it was measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import msgspec

from benchmarks.harness.traffic import generator_name


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    processor: str
    cores: int
    memory_gib: float
    system: str
    kernel: str
    python: str
    generator: str
    commit: str

    @classmethod
    def here(cls) -> Machine:
        return cls(
            processor=_first(r"model name\s*: (.*)", "/proc/cpuinfo", platform.machine()),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=round(int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo", "0")) / 2**20, 1),
            system=_first(r'PRETTY_NAME="(.*)"', "/etc/os-release", platform.system()),
            kernel=platform.release(),
            python=platform.python_version(),
            generator=generator_name(),
            commit=_commit(),
        )

    def line(self) -> str:
        return (
            f"{self.cores} cores of {self.processor}, {self.memory_gib} GiB, {self.system}, "
            f"Linux {self.kernel}, Python {self.python}; load by {self.generator}; "
            f"commit {self.commit}"
        )


def _first(pattern: str, file: str, otherwise: str) -> str:
    with suppress(OSError):
        if found := re.search(pattern, Path(file).read_text()):
            return found[1]
    return otherwise


def _commit() -> str:
    """With `+` where the tree was changed since."""
    with suppress(OSError, subprocess.CalledProcessError):
        here = Path(__file__).parent
        asked = ["git", "describe", "--always", "--dirty=+"]
        said = subprocess.check_output(asked, cwd=here, stderr=subprocess.DEVNULL)  # noqa: S603 - fixed words
        return said.decode().strip()
    return "unknown"
