"""A file in shared memory that the processes of one user attach to, and the last one removes."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from backends.errors import BackendError, BackendUnavailable

FOLDER = Path("/dev/shm")  # noqa: S108 - shared memory is the purpose; owner and mode are checked
MAGIC = b"aitlimit"
VERSION = 1
HEADER = struct.Struct("=8sIIQd16s")  # magic, version, -, bytes in all, origin, secret
HEADER_SIZE = 128
ATTEMPTS = 200
BETWEEN_ATTEMPTS = 0.01

Prepare = Callable[[mmap.mmap], None]


class Segment:
    """`size` bytes, the first HEADER_SIZE of them this class's own.

    Everyone attached holds a shared flock on the file, which ends with the process however it
    ends. Who can have it alone is the only one: at attaching it makes the segment new, or takes
    over what a crashed gateway has left when magic, version and size are right; at closing it
    removes the file. `prepare` is called by who is alone, before anybody else can attach.

    origin: the monotonic time from which the others are counted. secret: 16 random bytes.
    Raises BackendError when the file belongs to somebody else, has another size and is in use,
    or does not fit into memory.
    """

    def __init__(self, name: str, size: int, prepare: Prepare) -> None:
        self.path = FOLDER / f"ait-gateway.{os.geteuid()}.{name}"
        self._size = size
        try:
            self._file, self.memory = self._attach(prepare)
        except OSError as error:
            raise BackendError(f"limits: {self.path}: {error.strerror}") from error
        self._childs = -1
        header = HEADER.unpack_from(self.memory)
        self.origin: float = header[4]
        self.secret: bytes = header[5]
        _open.add(self)

    def _attach(self, prepare: Prepare) -> tuple[int, mmap.mmap]:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        for _ in range(ATTEMPTS):
            file = os.open(self.path, flags, 0o600)
            try:
                memory = self._share(file, prepare)
            except BaseException:
                os.close(file)
                raise
            if memory is not None:
                return file, memory
            os.close(file)
            time.sleep(BETWEEN_ATTEMPTS)
        raise BackendUnavailable(f"limits: {self.path} is locked by a process that does not run")

    def _share(self, file: int, prepare: Prepare) -> mmap.mmap | None:
        """None when somebody else came between."""
        if os.fstat(file).st_uid != os.geteuid():
            raise BackendError(f"limits: {self.path} belongs to another user")
        if _lock(file, fcntl.LOCK_EX):
            self._make_ready(file, prepare)
        # From alone to shared is not one step: between, another may come and be alone.
        if not _lock(file, fcntl.LOCK_SH) or not self._is_at_path(file):
            return None
        if os.fstat(file).st_size != self._size:
            raise BackendError(f"limits: {self.path} is in use with another number of slots")
        memory = mmap.mmap(file, self._size)
        if self._is_valid(memory):
            return memory
        memory.close()
        raise BackendError(f"limits: {self.path} is in use by another version")

    def _make_ready(self, file: int, prepare: Prepare) -> None:
        if os.fstat(file).st_size != self._size:
            os.ftruncate(file, 0)
            try:
                os.posix_fallocate(file, 0, self._size)  # an error here, not a SIGBUS later
            except OSError:
                self.path.unlink()
                raise
        with mmap.mmap(file, self._size) as memory:
            if not self._is_valid(memory):
                memory[:] = bytes(self._size)
                about = (VERSION, 0, self._size, time.monotonic(), os.urandom(16))
                HEADER.pack_into(memory, 0, MAGIC, *about)
            prepare(memory)

    def _is_valid(self, memory: mmap.mmap) -> bool:
        magic, version, _, size, origin, _ = HEADER.unpack_from(memory)
        here = (magic, version, size) == (MAGIC, VERSION, self._size)
        return here and 0 <= origin <= time.monotonic()

    def _is_at_path(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self.path, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def before_fork(self) -> None:
        """A child that inherited this file would hold its parent's lock, not one of its own."""
        self._childs = os.open(f"/proc/self/fd/{self._file}", os.O_RDWR | os.O_CLOEXEC)
        _lock(self._childs, fcntl.LOCK_SH)

    def after_fork_in_parent(self) -> None:
        os.close(self._childs)

    def after_fork_in_child(self) -> None:
        os.close(self._file)
        self._file = self._childs

    def close(self) -> None:
        """Once. Views of `memory` have to be released before."""
        _open.discard(self)
        self.memory.close()
        if _lock(self._file, fcntl.LOCK_EX) and self._is_at_path(self._file):
            self.path.unlink()
        os.close(self._file)


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _each(step: Callable[[Segment], None]) -> Callable[[], None]:
    def steps() -> None:
        for segment in list(_open):
            step(segment)

    return steps


_open: weakref.WeakSet[Segment] = weakref.WeakSet()
os.register_at_fork(
    before=_each(Segment.before_fork),
    after_in_parent=_each(Segment.after_fork_in_parent),
    after_in_child=_each(Segment.after_fork_in_child),
)
