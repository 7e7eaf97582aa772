"""Several processes that start together on one empty PostgreSQL database."""

from __future__ import annotations

import subprocess
import sys

PROCESSES = 4


def test_one_migrates_and_the_others_wait(postgres_url: str) -> None:
    program = [sys.executable, "-m", "tests.backends.sql.writing", postgres_url]
    writers = [
        subprocess.Popen([*program, f"w{number}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(PROCESSES)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stderr is not None
            assert writer.stdout.readline() == b"0\n", writer.stderr.read()
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
