"""Quantities as people write them: `500ms`, `10MiB`, `30/s`, `20%`.

Each is an annotated scalar whose metadata `decode.py` and `schema.py` read: `parse` makes the
value, `numbers` says whether a bare number will do, `pattern` is what an editor checks. A
FilePath becomes absolute, read against the configuration's folder.
"""

from __future__ import annotations

import os
import re
from typing import Annotated, NamedTuple

import msgspec

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {
    "": 1,
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}

NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
DURATION_PART = re.compile(rf"({NUMBER})(ms|[smhd])")
DURATION = re.compile(rf"(?:{NUMBER}(?:ms|[smhd]))+")
SIZE = re.compile(rf"({NUMBER}) ?([KMG]i?B|B|)")
RATE = re.compile(rf"([0-9]{{1,9}})/({NUMBER})?(ms|[smhd])")
RATIO = re.compile(rf"({NUMBER}) ?%")


def parse_duration(text: str) -> float:
    """Seconds of `500ms`, `1.5s`, `2m`, `1h30m`. Raises ValueError for anything else."""
    if not DURATION.fullmatch(text):
        raise ValueError("expected a duration such as 500ms, 30s, 5m or 1h")
    return sum(float(number) * SECONDS[unit] for number, unit in DURATION_PART.findall(text))


def parse_size(text: str) -> int:
    """Bytes of `64KiB`, `10MiB`, `1024`. Raises ValueError for anything else."""
    found = SIZE.fullmatch(text)
    if not found:
        raise ValueError("expected a size such as 512, 64KiB or 10MiB")
    return int(float(found[1]) * BYTES[found[2]])


class Rate(NamedTuple):
    """`requests` requests each `seconds`."""

    requests: int
    seconds: float


def parse_rate(text: str) -> Rate:
    """`30/s`, `100/m`, `5/10s`. Raises ValueError for anything else."""
    found = RATE.fullmatch(text)
    rate = Rate(int(found[1]), float(found[2] or 1) * SECONDS[found[3]]) if found else Rate(0, 0)
    if not rate.requests or not rate.seconds:
        raise ValueError("expected a rate such as 30/s, 100/m or 1000/h")
    return rate


def parse_ratio(text: str) -> float:
    """A fraction of `20%`. Raises ValueError for anything else."""
    found = RATIO.fullmatch(text)
    if not found or float(found[1]) > 100:
        raise ValueError("expected a share such as 20% or 0.2")
    return float(found[1]) / 100


def parse_workers(text: str) -> int:
    """`auto`, one for each core that this process may use. Raises ValueError otherwise."""
    if text != "auto":
        raise ValueError("expected a whole number or auto")
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


# A bare number of seconds is refused, so that nobody has to guess the unit.
Duration = Annotated[
    float,
    msgspec.Meta(
        extra={"parse": parse_duration, "numbers": False, "pattern": DURATION.pattern},
        description="A duration: 500ms, 30s, 5m, 1h30m.",
    ),
]
Size = Annotated[
    int,
    msgspec.Meta(
        ge=0,
        extra={"parse": parse_size, "numbers": True, "pattern": SIZE.pattern},
        description="Bytes: 512, 64KiB, 10MiB.",
    ),
]
Ratio = Annotated[
    float,
    msgspec.Meta(
        ge=0,
        le=1,
        extra={"parse": parse_ratio, "numbers": True, "pattern": RATIO.pattern},
        description="A share: 20% or 0.2.",
    ),
]
RateOf = Annotated[
    Rate,
    msgspec.Meta(
        extra={"parse": parse_rate, "numbers": False, "pattern": RATE.pattern},
        description="A rate: 30/s, 100/m, 5/10s.",
    ),
]
Workers = Annotated[
    int,
    msgspec.Meta(
        ge=1,
        extra={"parse": parse_workers, "numbers": True, "pattern": "auto"},
        description="A number of processes, or auto: one a core.",
    ),
]
FilePath = Annotated[
    str,
    msgspec.Meta(extra={"path": True}, description="A file, read against this file's folder."),
]
