"""The results as Markdown."""

from __future__ import annotations

from benchmarks.harness.measure import Sample
from benchmarks.harness.results import Results, Row, Spread, Table

NOISY = 0.05


def markdown(results: Results) -> str:
    head = [
        f"# Benchmark: {results.name}",
        "",
        f"{results.began}, {results.took_seconds / 60:.0f} minutes. {results.machine.line()}.",
        "",
        f"Medians of {results.rounds} interleaved rounds of {results.seconds:g} s, "
        "[least to most]. The ratio is what the first row costs as a share of this row, from rows "
        "of the same round: below 1.00 the first row is cheaper. Read the ratios; absolute figures "
        "hold on this machine at that hour only. How it is measured: benchmarks/README.md.",
    ]
    return "\n".join([*head, *(_table(table) for table in results.tables), _versions(results)])


def _table(table: Table) -> str:
    memory = table.metric == "memory"
    cost = f"{'bytes' if memory else 'CPU us'} a {table.unit}"
    columns = [
        "",
        "ratio",
        cost,
        f"{table.unit}s/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "MiB",
        "errors",
    ]
    lines = ["", f"## {table.title}", ""]
    if table.note:
        lines += [f"{table.note[0].upper()}{table.note[1:]}.", ""]
    lines += ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += [_row(table, row) for row in table.rows]
    return "\n".join([*lines, *_warnings(table)])


def _row(table: Table, row: Row) -> str:
    if row.missing:
        return f"| {row.label} | not measured: {row.missing.replace('|', '/')} |" + " |" * 7
    ratio = table.ratio(row)
    memory = table.metric == "memory"
    rate = "" if memory else _short(row.spread(lambda sample: sample.per_second), ",.0f")
    cells = [
        f"**{ratio.median:.2f}** [{ratio.least:.2f} to {ratio.most:.2f}]" if ratio else "",
        _whole(row.spread(table.value), ",.0f" if memory else ",.1f"),
        rate,
        *("" if memory else _short(row.spread(latency), ".2f") for latency in LATENCIES),
        _short(row.spread(lambda sample: sample.resident), ",.0f"),
        str(sum(sample.errors for sample in row.samples if sample is not None)),
    ]
    return f"| {row.label} | " + " | ".join(cells) + " |"


LATENCIES = (
    lambda sample: sample.p50,
    lambda sample: sample.p99,
    lambda sample: sample.p999,
)


def _whole(spread: Spread | None, shape: str) -> str:
    if spread is None:
        return ""
    return f"{spread.median:{shape}} [{spread.least:{shape}} to {spread.most:{shape}}]"


def _short(spread: Spread | None, shape: str) -> str:
    return "" if spread is None else f"{spread.median:{shape}}"


def _warnings(table: Table) -> list[str]:
    """What of the conditions was not as it should be."""
    samples = [sample for row in table.rows for sample in row.samples if sample is not None]
    noisy = sum(1 for sample in samples if sample.others > NOISY)
    said = []
    if noisy:
        said.append(
            f"In {noisy} of {len(samples)} samples others took more than {NOISY:.0%} of the "
            "proxy's core: the machine was not quiet."
        )
    if bound := [row.label for row in table.rows if _bound_by_load(row)]:
        said.append(
            f"The load's core was the busier one for {', '.join(bound)}: units a second are "
            "the load's limit then, not the proxy's; the CPU stands."
        )
    return ["", *said] if said else []


def _bound_by_load(row: Row) -> bool:
    def spare(sample: Sample) -> float:
        return sample.load_busy - sample.proxy_busy if sample.load_busy > 0.95 else 0.0

    spread = row.spread(spare)
    return spread is not None and spread.median > NOISY


def _versions(results: Results) -> str:
    versions = {
        row.peer: row.version for table in results.tables for row in table.rows if row.version
    }
    lines = ["", "## Versions", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {peer} | {text} |" for peer, text in versions.items()), ""])
