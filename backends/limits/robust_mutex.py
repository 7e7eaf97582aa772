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
import time
from typing import Any

from backends.errors import BackendError, BackendUnavailable

SIZE = 64  # bytes kept for each; the C libraries of Linux use 24 to 48
PATIENCE = 0.25  # a holder that was preempted, on a machine that has too much to do, is back
STALLED_FOR = 1.0

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

    def init(self, mutex: ctypes.c_void_p) -> None:
        """Make one of zeroed memory that nobody uses yet."""
        self._init(mutex, self._attributes)

    def wait(self, mutex: ctypes.c_void_p, said: int) -> None:
        """Go on until the mutex is held, after `try_lock` has said something other than 0.

        Raises BackendUnavailable after PATIENCE: the holder does not run (it is stopped, say).
        For a second after that it does so at once.
        """
        if said == errno.EBUSY:
            said = self._patiently(mutex)
        if said == errno.EOWNERDEAD:
            self._consistent(mutex)
        elif said:
            raise BackendUnavailable(f"limits: shared memory: {errno.errorcode.get(said, said)}")

    def _patiently(self, mutex: ctypes.c_void_p) -> int:
        name = mutex.value or 0
        if self._stalled.get(name, 0.0) > time.monotonic():
            raise BackendUnavailable("limits: a process that holds a shared lock does not run")
        until = time.time() + PATIENCE
        deadline = Timespec(int(until), int(until % 1 * 1e9))
        said: int = self._timed_lock(mutex, ctypes.byref(deadline))
        if said == errno.ETIMEDOUT:
            self._stalled[name] = time.monotonic() + STALLED_FOR
            raise BackendUnavailable("limits: a process that holds a shared lock does not run")
        return said
