"""`python -m benchmarks`: measures, and writes results/NAME.{json,md,png}."""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.harness import chart, stage
from benchmarks.harness.install import MissingError
from benchmarks.harness.machine import Machine
from benchmarks.harness.measure import Sample, measure
from benchmarks.harness.processes import Cores, many_files
from benchmarks.harness.report import markdown
from benchmarks.harness.results import Results, Row, Table
from benchmarks.harness.scenarios import SCENARIOS, Contestant, Scenario

RESULTS = Path(__file__).parent / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few scenarios and peers: < 3 minutes")
    parser.add_argument("--rounds", type=int, default=0, help="default 5, quick 3")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="of each sample: default 4, quick 1"
    )
    parser.add_argument("--only", metavar="SCENARIO,..", help=", ".join(s.key for s in SCENARIOS))
    parser.add_argument("--peers", metavar="PEER,..", help="ait-gateway,nginx,Envoy ..")
    parser.add_argument("--name", help="of the files; default quick or full")
    parser.add_argument("--routes", type=int, metavar="N", help="print a table of N routes and end")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[tuple[Scenario, list[Contestant]]]:
    """Scenarios with those of their contestants that are asked for."""
    only = options.only.split(",") if options.only else None
    peers = {name.lower() for name in options.peers.split(",")} if options.peers else None
    unknown = set(only or ()) - {scenario.key for scenario in SCENARIOS}
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}")
    picked = []
    for scenario in SCENARIOS:
        contestants = [
            contestant
            for contestant in scenario.contestants
            if (not options.quick or only or contestant.label in scenario.quick)
            and (peers is None or contestant.peer.name.lower() in peers)
        ]
        if contestants and (only is None or scenario.key in only):
            picked.append((scenario, contestants))
    return picked


class Run:
    """Brings every peer once, then goes round."""

    def __init__(self, setting: stage.Stage, rounds: int, seconds: float, warm: float) -> None:
        self.setting = setting
        self.rounds = rounds
        self.seconds = seconds
        self.warm = warm
        self.brought: dict[str, tuple[str, Path] | str] = {}

    def table(self, scenario: Scenario, contestants: list[Contestant]) -> Table:
        """Every round asks each contestant once, in turn."""
        say(f"\n{scenario.title}")
        rows = [self.row(contestant) for contestant in contestants]
        for number in range(self.rounds):
            for contestant, row in zip(contestants, rows, strict=True):
                if not row.missing:
                    row.samples.append(self.sample(scenario, contestant, row, number))
        return Table(
            key=scenario.key,
            title=scenario.title,
            unit=scenario.unit,
            metric=scenario.metric,
            note=scenario.note,
            rows=rows,
        )

    def row(self, contestant: Contestant) -> Row:
        peer = contestant.peer
        if peer.name not in self.brought:
            try:
                self.brought[peer.name] = peer.bring()
            except MissingError as error:
                self.brought[peer.name] = str(error)
        brought = self.brought[peer.name]
        if isinstance(brought, str):
            say(f"  {contestant.label}: {brought}")
            return Row(label=contestant.label, peer=peer.name, missing=f"not installed: {brought}")
        return Row(label=contestant.label, peer=peer.name, version=brought[0])

    def sample(
        self, scenario: Scenario, contestant: Contestant, row: Row, number: int
    ) -> Sample | None:
        brought = self.brought[contestant.peer.name]
        assert not isinstance(brought, str)
        name = f"{scenario.key}-{contestant.label}-{number}".replace(" ", "-").replace(",", "")
        try:
            sample = measure(
                self.setting,
                scenario,
                contestant,
                brought[1],
                name=name,
                seconds=self.seconds,
                warm=self.warm,
            )
        except RuntimeError as error:
            say(f"  {contestant.label}: {error}")
            if all(sample is None for sample in row.samples):
                row.missing = str(error)
            return None
        what = f"{sample.cost:8.1f} us {sample.per_second:9,.0f}/s p99 {sample.p99:7.2f} ms"
        if scenario.metric == "memory":
            what = f"{sample.idle_bytes:8,.0f} bytes a connection"
        say(f"  {contestant.label:24} {what} {sample.errors or ''}")
        return sample


def say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def main() -> None:
    options = arguments()
    if options.routes:
        sys.stdout.write(stage.table_of_routes(options.routes))
        return
    many_files()
    began = datetime.datetime.now(datetime.UTC)
    clock = time.monotonic()
    rounds = options.rounds or (3 if options.quick else 5)
    seconds = options.seconds or (1.0 if options.quick else 4.0)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        stage.stage(Path(folder), Cores.of_this_machine().load) as setting,
    ):
        run = Run(setting, rounds, seconds, warm=0.5 if options.quick else 2.0)
        tables = [run.table(scenario, contestants) for scenario, contestants in chosen(options)]
    results = Results(
        name=options.name or ("quick" if options.quick else "full"),
        began=f"{began:%Y-%m-%d %H:%M} UTC",
        took_seconds=time.monotonic() - clock,
        rounds=rounds,
        seconds=seconds,
        machine=Machine.here(),
        tables=tables,
    )
    write(results)


def write(results: Results) -> None:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / results.name
    written = msgspec.json.format(msgspec.json.encode(results), indent=1)
    file.with_suffix(".json").write_bytes(written + b"\n")
    text = markdown(results)
    file.with_suffix(".md").write_text(text)
    sys.stdout.write(text)
    try:
        chart.draw(results, file.with_suffix(".png"))
    except ImportError:
        say("no chart: pip install 'ait-gateway[bench]'")
    say(f"\nwritten to {file}.json, .md and .png")


if __name__ == "__main__":
    main()
