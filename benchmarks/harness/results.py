"""What a run found: samples by round, their medians, and ratios between rows of one round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from benchmarks.harness.machine import Machine
from benchmarks.harness.measure import Sample


class Spread(msgspec.Struct, frozen=True):
    """Over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


class Row(msgspec.Struct, kw_only=True):
    """One contestant. `samples` is by round, None where it failed; `missing` says why."""

    label: str
    peer: str
    version: str = ""
    missing: str = ""
    samples: list[Sample | None] = msgspec.field(default_factory=list)

    def spread(self, of: Callable[[Sample], float]) -> Spread | None:
        values = [of(sample) for sample in self.samples if sample is not None]
        return Spread.over(values) if values else None


class Table(msgspec.Struct, kw_only=True):
    """One scenario. `metric` is what its ratio is of: `cost` or `idle_bytes`."""

    key: str
    title: str
    unit: str
    metric: str
    note: str
    rows: list[Row]

    def value(self, sample: Sample) -> float:
        return sample.idle_bytes if self.metric == "memory" else sample.cost

    def ratio(self, row: Row) -> Spread | None:
        """What the first row costs, as a share of this one: round by round, then their spread."""
        ratios = [
            self.value(ours) / self.value(theirs)
            for ours, theirs in zip(self.rows[0].samples, row.samples, strict=False)
            if ours is not None and theirs is not None and self.value(theirs) > 0
        ]
        return Spread.over(ratios) if ratios else None


class Results(msgspec.Struct, kw_only=True):
    """Everything, as it is written to JSON."""

    name: str
    began: str
    took_seconds: float
    rounds: int
    seconds: float
    machine: Machine
    tables: list[Table]
