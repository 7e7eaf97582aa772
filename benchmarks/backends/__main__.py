"""`python -m benchmarks.backends [capability] [engine]`: a table for each of what is here."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.backends import Start

HERE = Path(__file__).parent
HEADS = f"{'a second':>12}{'us each':>10}{'bare us':>10}{'ratio':>8}{'CPU':>8}"


def table(capability: str, module: Any, engine: str, start: Start) -> None:
    say(f"{f'{capability}, {engine}':34}{HEADS}")
    try:
        with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as url:
            for row in asyncio.run(module.measure(url)):
                say(str(row))
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        say(f"  not measured: {missing}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(capability: str = "", engine: str = "") -> None:
    for found in pkgutil.iter_modules([str(HERE)]):
        if found.name == "__main__" or capability not in ("", found.name):
            continue
        module = importlib.import_module(f"benchmarks.backends.{found.name}")
        for name, start in module.ENGINES.items():
            if engine in ("", name):
                table(found.name, module, name, start)


if __name__ == "__main__":
    main(*sys.argv[1:3])
