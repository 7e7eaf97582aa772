"""The results as a picture: what each costs beside the first row, one panel a scenario."""

from __future__ import annotations

import math
from pathlib import Path

from benchmarks.harness.results import Results, Table

OURS = "#0a6cce"
THEIRS = "#9aa4ad"
PANELS_A_ROW = 2


def draw(results: Results, file: Path) -> None:
    """A PNG."""
    import matplotlib as mpl  # noqa: PLC0415 - of the extra `bench`: only who draws needs it

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 - after the backend is chosen

    tables = [table for table in results.tables if _bars(table)]
    rows = max(1, math.ceil(len(tables) / PANELS_A_ROW))
    height = max([len(_bars(table)) for table in tables], default=1)
    figure, axes = pyplot.subplots(
        rows, PANELS_A_ROW, figsize=(13, rows * (1.1 + 0.3 * height)), squeeze=False
    )
    panels = list(axes.flat)
    for panel in panels[len(tables) :]:
        panel.set_visible(False)
    for panel, table in zip(panels, tables, strict=False):
        bars = _bars(table)
        labels = [label for label, *_ in bars]
        values = [value for _, value, *_ in bars]
        spans = [
            [value - low for _, value, low, _ in bars],
            [high - value for _, value, _, high in bars],
        ]
        colours = [OURS if number == 0 else THEIRS for number in range(len(bars))]
        panel.barh(labels, values, xerr=spans, color=colours, ecolor="#555", capsize=2)
        panel.invert_yaxis()
        panel.set_title(table.title, loc="left", fontsize=11, fontweight="bold")
        what = "resident bytes" if table.metric == "memory" else "CPU microseconds"
        panel.set_xlabel(
            f"{what} a {table.unit}: less is better (x: times the first bar)", fontsize=8
        )
        panel.spines[["top", "right"]].set_visible(False)
        for place, (_, value, _, high) in enumerate(bars):
            times = f"  {value / bars[0][1]:.2f}x" if place and bars[0][1] else ""
            panel.text(max(value, high), place, f" {value:,.0f}{times}", va="center", fontsize=8)
        panel.margins(x=0.25)
    figure.suptitle(f"{results.name}: {results.machine.line()}", fontsize=8, color="#555")
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _bars(table: Table) -> list[tuple[str, float, float, float]]:
    """Label, median, least and most of every row that was measured."""
    spreads = ((row.label, row.spread(table.value)) for row in table.rows)
    return [(label, s.median, s.least, s.most) for label, s in spreads if s is not None]
