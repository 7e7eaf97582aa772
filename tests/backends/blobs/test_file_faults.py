from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.blobs import DRIVERS, Blobs, Corrupt
from backends.errors import BackendError, Missing, Refused
from tests.conformance.blobs import broken, listed, noise, read, sha256, stream
from tests.missing_engine import missing

ROOT = Path(__file__).parents[3]
WRITER = [sys.executable, "-m", "tests.backends.blobs.file_writer"]


@pytest.fixture
async def blobs(folder: Path) -> AsyncIterator[Blobs]:
    blobs = DRIVERS.open(f"file:///{folder}")
    yield blobs
    await blobs.close()


def objects(folder: Path) -> set[str]:
    return {path.parent.name + path.name for path in folder.glob("objects/*/*")}


async def tidy(folder: Path, blobs: Blobs) -> None:
    """Until nothing is kept that no key has."""
    deadline = time.monotonic() + 20
    while True:
        await blobs.delete("nothing")  # is a moment to sweep
        heads = [await blobs.head(item.key) for item in await listed(blobs, "")]
        if objects(folder) == {head.sha256 for head in heads} and not os.listdir(
            folder / "incoming"
        ):
            return
        assert time.monotonic() < deadline, (objects(folder), os.listdir(folder / "incoming"))
        await asyncio.sleep(0.02)


def writer(folder: Path, *about: str) -> subprocess.Popen[str]:
    command = [*WRITER, f"file:///{folder}", *about]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


class TestTheSameBytes:
    async def test_are_stored_once_and_as_long_as_a_key_has_them(
        self, blobs: Blobs, folder: Path
    ) -> None:
        for key in ("a", "b", "c"):
            await blobs.put(key, b"same")
        assert objects(folder) == {sha256(b"same")}
        await blobs.delete("a")
        await blobs.put("b", b"other")
        await tidy(folder, blobs)
        assert objects(folder) == {sha256(b"same"), sha256(b"other")}
        await blobs.delete("c")
        await tidy(folder, blobs)
        assert objects(folder) == {sha256(b"other")}

    async def test_survive_processes_that_take_them_away_and_put_them_again(
        self, blobs: Blobs, folder: Path
    ) -> None:
        writers = [writer(folder, "churn", name, "150") for name in ("one", "two")]
        seen = 0
        while any(process.poll() is None for process in writers):
            for item in await listed(blobs, ""):
                try:
                    body = await read(blobs, item.key)
                except Missing:
                    continue  # the moment between a delete and a put
                assert len(set(body)) == 1
                assert len(body) == 5000
                seen += 1
        for process in writers:
            said = process.communicate()[0].splitlines()
            assert process.returncode == 0
            for key, content in dict(line.split() for line in said).items():
                assert await read(blobs, key) == content.encode() * 5000
        assert seen > 20
        await tidy(folder, blobs)


class TestAProcessThatIsKilled:
    async def test_amid_a_put_leaves_nothing(self, blobs: Blobs, folder: Path) -> None:
        with writer(folder, "stall", "", "") as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "amid\n"
            left = [path.stat().st_size for path in (folder / "incoming").iterdir()]
            assert sum(left) >= 3 << 20
            await blobs.check()
            assert [path.stat().st_size for path in (folder / "incoming").iterdir()] == left
            process.kill()
        assert await listed(blobs, "") == []
        with pytest.raises(Missing):
            await blobs.head("stalled")
        other = DRIVERS.open(f"file:///{folder}")
        await other.check()
        await tidy(folder, other)
        await other.close()

    async def test_loses_nothing_that_was_acknowledged(self, blobs: Blobs, folder: Path) -> None:
        kept: dict[str, str] = {}
        for life in range(4):
            with writer(folder, "churn", f"w{life % 2}", "100000") as process:
                assert process.stdout is not None
                for _ in range(random.randrange(5, 60)):
                    key, content = process.stdout.readline().split()
                    kept[key] = content
                process.send_signal(signal.SIGKILL)
                for line in process.stdout:
                    key, content = line.split()
                    kept[key] = content
                last = (int(content) + 1) % 7
            for key, content in kept.items():
                body = await read(blobs, key)
                # the put after the last that was acknowledged may be there
                assert body in (content.encode() * 5000, b"%d" % last * 5000)
                kept[key] = body[:1].decode()
        fresh = DRIVERS.open(f"file:///{folder}")
        await fresh.check()
        await tidy(folder, fresh)
        await fresh.close()


class TestAFullDisk:
    async def test_refuses_and_keeps_nothing(self, tmp_path: Path) -> None:
        if not shutil.which("unshare"):
            missing("there is no unshare to have a small disk with")
        inside = (
            f"mount -t tmpfs -o size=26m none {tmp_path} && exec {sys.executable} -m {__name__}"
        )
        command = ["unshare", "--mount", "--map-root-user", "sh", "-c", f"{inside} {tmp_path}/b"]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=50
        )
        if "unshare failed" in done.stderr or "mount:" in done.stderr:
            missing(f"a small disk is not to be had here: {done.stderr.strip()}")
        assert (done.returncode, done.stdout) == (0, "as it should be\n"), done.stderr


async def fill(folder: Path) -> None:
    """On a disk of 26 MiB, of which 16 are kept free."""

    blobs = DRIVERS.open(f"file:///{folder}")

    async def put_many() -> None:
        for number in range(10_000):
            await blobs.put(f"{number}", noise[: 10_000 + number])

    await blobs.put("old", b"old")
    for body in (noise, stream(noise)):
        with pytest.raises(Refused, match="No space left"):
            await blobs.put("new", body)
        assert not list((folder / "incoming").iterdir())
    with pytest.raises(Refused, match="No space left"):
        await put_many()
    assert not list((folder / "incoming").iterdir())
    for item in await listed(blobs, ""):
        body = b"old" if item.key == "old" else noise[: 10_000 + int(item.key)]
        assert await read(blobs, item.key) == body
        if item.key != "old":
            await blobs.delete(item.key)
    await tidy(folder, blobs)
    await blobs.put("new", noise[: 1 << 20])
    await blobs.close()
    sys.stdout.write("as it should be\n")


class TestBytesThatRot:
    def file(self, folder: Path, body: bytes) -> Path:
        digest = hashlib.sha256(body).hexdigest()
        return folder / "objects" / digest[:2] / digest[2:]

    @pytest.mark.parametrize("rot", ["flip", "cut", "empty", "gone"])
    @pytest.mark.parametrize("size", [1000, 3_000_000])
    async def test_are_told_before_the_end_and_healed_by_a_put(
        self, blobs: Blobs, folder: Path, rot: str, size: int
    ) -> None:
        body = noise[:size]
        await blobs.put("k", body)
        file = self.file(folder, body)
        rotten = {"flip": bytes([body[0] ^ 1]) + body[1:], "cut": body[:-1], "empty": b""}
        if rot == "gone":
            file.unlink()
        else:
            file.write_bytes(rotten[rot])
        got: list[int] = []

        async def look() -> None:
            async with blobs.get("k") as reading:
                got.extend([len(chunk) async for chunk in reading])

        with pytest.raises(Corrupt):
            await look()
        assert got == []
        await blobs.put("k2", body)
        assert await read(blobs, "k") == body


class TestTheFolder:
    async def test_is_for_its_owner_alone(self, blobs: Blobs, folder: Path) -> None:
        await blobs.put("a/b", b"x")
        assert os.stat(folder).st_mode & 0o777 == 0o700
        kept = [folder / "objects" / name[:2] / name[2:] for name in objects(folder)]
        assert [os.stat(path).st_mode & 0o777 for path in kept] == [0o600]

    async def test_names_nothing_after_a_key(self, blobs: Blobs, folder: Path) -> None:
        for key in ("index.db", "objects/x", "..a", "~", "incoming", "C:"):
            await blobs.put(key, key.encode())
        names = set(os.listdir(folder))
        assert names <= {"index.db", "index.db-wal", "index.db-shm", "objects", "incoming", "lock"}

    async def test_has_nothing_left_once_a_put_has_failed(self, blobs: Blobs, folder: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            await blobs.put("k", broken(noise))
        with pytest.raises(Corrupt):
            await blobs.put("k", noise, sha256=sha256(b""))
        assert os.listdir(folder / "incoming") == []
        for pause in (0, 0.001, 0.01):
            putting = asyncio.create_task(blobs.put("k", stream(noise * 3)))
            await asyncio.sleep(pause)
            putting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await putting
            assert os.listdir(folder / "incoming") == []
        assert objects(folder) == set()

    async def test_that_cannot_be_one_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        blobs = DRIVERS.open(f"file:///{tmp_path}/file/blobs")
        for call in (blobs.check(), blobs.put("k", b"")):
            with pytest.raises(Refused) as caught:
                await call
            assert str(tmp_path) not in str(caught.value)
        await blobs.close()


class TestItsSecret:
    async def test_is_made_once_for_all_and_for_its_owner_alone(self, folder: Path) -> None:
        several = [DRIVERS.open(f"file:///{folder}?public=http://x/b") for _ in range(5)]
        urls = await asyncio.gather(*[blobs.presign("k", "GET", 60) for blobs in several])
        assert (folder / "secret").stat().st_mode & 0o777 == 0o600
        assert len({url.url.partition("signature=")[2] for url in urls}) <= 2  # of two seconds
        for blobs in several:
            await blobs.close()

    async def test_may_be_given(self, folder: Path) -> None:
        secret = "a secret of somebody's own"
        blobs = DRIVERS.open(f"file:///{folder}?public=http://x/b&secret={secret}")
        assert (await blobs.presign("k", "GET", 60)).url.startswith("http://x/b/k?")
        assert not (folder / "secret").exists()
        assert secret not in repr(blobs)
        await blobs.close()

    async def test_signs_nothing_when_nobody_serves(self, blobs: Blobs) -> None:
        with pytest.raises(BackendError, match="public"):
            await blobs.presign("k", "GET", 60)


@pytest.mark.parametrize(
    "url",
    [
        *("file://", "file:///", "file://host/x", "file:///x?y=1", "file:///x?secret=short"),
        *("file:///x?public=ftp://y", "file:///x?threads=0", "file:///x?threads=many"),
    ],
)
def test_a_url_that_does_not_fit_is_refused_when_opened(url: str) -> None:
    with pytest.raises(BackendError):
        DRIVERS.open(url)


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1])))
