"""What the kernel says a program used: proc_pid_stat(5), and the scheduler's own account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


def session(leader: int) -> Iterator[int]:
    """Every process of the session: a proxy with all of its workers."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if int(_stat(entry)[3]) == leader:
                    yield int(entry.name)


def cpu_seconds(leader: int) -> float:
    """Of the whole session, user and system, since each process began."""
    return sum(_process_seconds(PROC / str(pid)) for pid in session(leader))


def yielding_seconds(leader: int) -> float:
    """Of those threads of the session that give way to others (nice), since each began."""
    total = 0
    for pid in session(leader):
        for thread in (PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                if int(_stat(thread)[16]) > 0:
                    total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_bytes(leader: int) -> int:
    """The sum over the session; pages that its processes share count in each."""
    total = 0
    for pid in session(leader):
        with suppress(OSError):
            total += int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    return total


@dataclass(frozen=True)
class Busy:
    """Seconds that cores were not idle, theirs and all others' work together."""

    seconds: dict[int, float]

    @classmethod
    def now(cls) -> Busy:
        seconds = {}
        for line in (PROC / "stat").read_text().splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name != "cpu":
                user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
                spent = user + nice + system + irq + softirq + steal
                seconds[int(name[3:])] = spent * TICK
        return cls(seconds)

    def since(self, before: Busy, cores: frozenset[int]) -> float:
        """In seconds, over these cores."""
        return sum(self.seconds[core] - before.seconds[core] for core in cores)


def _stat(process: Path) -> list[str]:
    """The fields after the name, which may hold anything: state is the first."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _process_seconds(process: Path) -> float:
    """schedstat counts nanoseconds but forgets threads that ended; stat forgets none but counts
    ticks, rounded down."""
    try:
        exact = 0
        for thread in (process / "task").iterdir():
            with suppress(OSError):
                exact += int((thread / "schedstat").read_text().split()[0])
        fields = _stat(process)
    except OSError:
        return 0.0
    return max(exact / 1e9, (int(fields[11]) + int(fields[12])) * TICK)
