"""Locks in shared memory that the kernel releases when their holder dies.

Python has no compare-and-swap, so a step that is atomic across processes needs a lock. These
are POSIX robust mutexes of the C library: as cheap as a semaphore while nobody else wants one
(no system call), yet the death of a holder, by SIGKILL too, hands its lock to the next in line,
which file locks do as well at two to six times the price and semaphores do not do at all.
"""

from __future__ import annotations

import ctypes
import errno
import sys
import threading
import time
from pathlib import Path
from typing import Any

from backends.errors import BackendError, BackendUnavailable

SIZE = 64  # bytes kept for each; the C libraries of Linux use 24 to 48
PATIENCE = 1.0  # enough for a machine that has far too much to do
LOOKED_EVERY = 0.02
STALLED_FOR = 1.0

STALLED = "limits: a process that holds a shared lock does not run"
OWNER_MASK = 0x3FFFFFFF  # FUTEX_TID_MASK; the bits above say that others wait, or that it died

_PROCESS_SHARED = 1
_ROBUST = 1


class Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class RobustMutexes:
    """The C library's functions, bound once. A mutex is the ctypes pointer to its memory.

    try_lock: 0 when taken. Whatever else it says, `wait` goes on from there.
    unlock: does nothing but say so when the caller does not hold the mutex.

    Neither lets go of the interpreter's lock: they never wait. Raises BackendError where the C
    library has no robust mutexes.
    """

    def __init__(self) -> None:
        if not sys.platform.startswith("linux"):
            raise BackendError("limits: shm:// needs Linux")
        at_once, waiting = ctypes.PyDLL(None), ctypes.CDLL(None)
        self.try_lock: Any = at_once.pthread_mutex_trylock
        self.unlock: Any = at_once.pthread_mutex_unlock
        self._init = at_once.pthread_mutex_init
        self._consistent = at_once.pthread_mutex_consistent
        self._timed_lock = waiting.pthread_mutex_timedlock
        self._attributes = ctypes.create_string_buffer(SIZE)
        at_once.pthread_mutexattr_init(self._attributes)
        at_once.pthread_mutexattr_setpshared(self._attributes, _PROCESS_SHARED)
        if at_once.pthread_mutexattr_setrobust(self._attributes, _ROBUST):
            raise BackendError("limits: shm:// needs a C library with robust mutexes")
        self._stalled: dict[int, float] = {}
        self._owner_at = self._find_owner()

    def init(self, mutex: ctypes.c_void_p) -> None:
        """Make one of zeroed memory that nobody uses yet."""
        self._init(mutex, self._attributes)

    def wait(self, mutex: ctypes.c_void_p, said: int) -> None:
        """Go on until the mutex is held, after `try_lock` has said something other than 0.

        Raises BackendUnavailable when the holder is stopped, which is seen after 20 ms, or does
        not let go for a second. For a second after that it does so at once.
        """
        if said == errno.EBUSY:
            said = self._patiently(mutex)
        if said == errno.EOWNERDEAD:
            self._consistent(mutex)
        elif said:
            raise BackendUnavailable(f"limits: shared memory: {errno.errorcode.get(said, said)}")

    def _patiently(self, mutex: ctypes.c_void_p) -> int:
        address = mutex.value or 0
        now = time.monotonic()
        if self._stalled.get(address, 0.0) > now:
            raise BackendUnavailable(STALLED)
        while time.monotonic() < now + PATIENCE:
            moment = time.time() + LOOKED_EVERY
            deadline = Timespec(int(moment), int(moment % 1 * 1e9))
            said: int = self._timed_lock(mutex, ctypes.byref(deadline))
            if said != errno.ETIMEDOUT:
                return said
            if self._is_held_by_a_stopped_one(address):
                break
        self._stalled[address] = time.monotonic() + STALLED_FOR
        raise BackendUnavailable(STALLED)

    def _find_owner(self) -> int | None:
        """Where in a mutex its holder's thread id stands, seen in one that this thread holds."""
        scratch = ctypes.create_string_buffer(SIZE)
        mutex = ctypes.c_void_p(ctypes.addressof(scratch))
        self.init(mutex)
        self.try_lock(mutex)
        at = scratch.raw.find(threading.get_native_id().to_bytes(4, sys.byteorder))
        self.unlock(mutex)
        return at if at >= 0 else None

    def _is_held_by_a_stopped_one(self, address: int) -> bool:
        if self._owner_at is None:
            return False
        owner = ctypes.c_uint32.from_address(address + self._owner_at).value & OWNER_MASK
        try:
            stat = Path(f"/proc/{owner}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] in "Tt"
