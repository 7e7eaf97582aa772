"""What the engines that run on Java share."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.missing_engine import missing

# Compiled and collected for a server that lives for a minute, on a machine with few cores.
SMALL = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


def java_home() -> str:
    program = shutil.which("java") or missing("there is no java, which this engine runs on")
    return str(Path(program).resolve().parents[1])


def java(classpath: str, *words: str) -> list[str]:
    return [f"{java_home()}/bin/java", *SMALL, "-cp", classpath, *words]
