"""A program that writes rows until it is killed: `python -m tests.backends.sql.writing URL NAME`.

It prints the number of each row once that is written, and migrates first.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import sqlalchemy as sa

from backends.sql import DRIVERS
from backends.sql.migrations import migrate

REVISIONS = Path(__file__).parent / "revisions"


async def main(url: str, name: str) -> None:
    sql = DRIVERS.open(url)
    await migrate(sql, "writing", REVISIONS)
    number = 0
    insert = sa.text("INSERT INTO written VALUES (:name, :number)")
    while True:
        async with sql.write() as connection:
            await connection.execute(insert, {"name": name, "number": number})
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
