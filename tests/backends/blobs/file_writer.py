"""A process that puts and deletes in a folder until it is killed; says what was acknowledged."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from backends.blobs import DRIVERS, Blobs


async def churn(blobs: Blobs, name: str, rounds: int) -> None:
    """Few contents under few keys, so that the last key of one is often just taken away."""
    for number in range(rounds):
        key = f"{name}/{number % 3}"
        await blobs.put(key, b"%d" % (number % 7) * 5000)
        sys.stdout.write(f"{key} {number % 7}\n")
        sys.stdout.flush()
        if number % 5 == 4:
            await blobs.delete(f"{name}/d")
            await blobs.put(f"{name}/d", b"%d" % (number % 7) * 5000)


async def stall(blobs: Blobs) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * (1 << 20)
        sys.stdout.write("amid\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    await blobs.put("stalled", body())


async def main(url: str, what: str, name: str, rounds: str) -> None:
    blobs = DRIVERS.open(url)
    await (stall(blobs) if what == "stall" else churn(blobs, name, int(rounds)))
    await blobs.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
