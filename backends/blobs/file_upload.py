"""Bytes on their way in: a file in `incoming/` that nobody reads yet."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


class Upload:
    """All of it blocks. The file is locked as long as its writer lives, so that a sweep knows
    whose are left over. Once sealed it is called `<random>.<sha256>`: should the writer die just
    after its bytes were placed, the sweep knows which may have no key."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming
        self._path: Path | None = None
        self._descriptor = -1
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def begun(self) -> bool:
        """Whether it has a file."""
        return self._path is not None

    def write(self, part: bytes) -> None:
        if self._path is None:
            self._open()
        self._digest.update(part)
        left = memoryview(part)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self.size += len(part)

    def seal(self) -> str:
        """All bytes are on the disk. Their sha256."""
        assert self._path is not None
        os.fsync(self._descriptor)
        sha256 = self._digest.hexdigest()
        self._path = self._path.rename(self._path.with_name(f"{self._path.name}.{sha256}"))
        return sha256

    def place(self, target: Path) -> None:
        """Be found at `target` too, in place of what is there, also after a crash."""
        assert self._path is not None
        second = self._path.with_name(f"{self._path.name}.placed")
        make_folder(target.parent)
        os.link(self._path, second)
        second.replace(target)
        sync_folder(target.parent)

    def leave(self) -> None:
        """Let a sweep find the file, as if its writer had died."""
        self._path = None
        os.close(self._descriptor)

    def discard(self) -> None:
        """Leave `incoming/`. Does nothing the second time."""
        path, self._path = self._path, None
        if path is None:
            return
        try:
            for left in (path, path.with_name(f"{path.name}.placed")):
                left.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)

    def _open(self) -> None:
        while True:
            path = self._incoming / secrets.token_hex(16)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # no sweep came in between
                self._path, self._descriptor = path, descriptor
                return
            os.close(descriptor)


def left_over(incoming: Path) -> Iterator[str | None]:
    """Unlink what dead writers left. The sha256 of each that was sealed."""
    for path in incoming.iterdir():
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its writer lives
            else:
                yield path.name.split(".")[1] if "." in path.name else None
                path.unlink()
            finally:
                os.close(descriptor)


def make_folder(folder: Path) -> None:
    """With those above it; all of them kept after a crash."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
