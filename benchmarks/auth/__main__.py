"""`python -m benchmarks.auth [engine]`: a table for each database."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.auth.measuring import flooded, measured
from benchmarks.auth.place import placed
from benchmarks.backends import Start, embedded, server
from tests.engines.postgres import Postgres

ENGINES: dict[str, Start] = {
    "sqlite": embedded("sqlite:///{folder}/bench.db"),
    "postgresql": server(Postgres),
}
HEADS = f"{'a core-second':>15}{'a second':>10}  target"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def table(engine: str, folder: Path, url: str) -> None:
    say(f"{f'auth, {engine}':24}{HEADS}")
    async with placed(folder, url) as place:
        async for row in measured(place):
            say(f"  {row.name:22}{row.rate:15,.0f}{row.seen:10,.0f}  {row.target}")
        alone, under = await flooded(place)
        for name, tally in (("alone", alone), ("under a flood of log-ins", under)):
            p50, p99 = tally.percentile(0.5), tally.percentile(0.99)
            say(f"  a proxied route, {name:26} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")
        say(f"  p99 moves by {under.percentile(0.99) - alone.percentile(0.99):.1f} ms; at most 20")


def main(engine: str = "") -> None:
    for name, start in ENGINES.items():
        if engine in ("", name):
            with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as url:
                asyncio.run(table(name, Path(folder), url))


if __name__ == "__main__":
    main(*sys.argv[1:2])
