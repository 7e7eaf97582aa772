from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable
from backends.limits import DRIVERS, Decision, Limits
from backends.limits.segment import FOLDER, HEADER_SIZE
from tests.backends.limits.taking import takers
from tests.conformance.limits import HOUR


@pytest.fixture
def path(shm_name: str) -> Path:
    return FOLDER / f"ait-gateway.{os.geteuid()}.{shm_name}"


@pytest.fixture
def url(shm_name: str) -> str:
    return f"shm:///{shm_name}?slots=4096"


def close(limits: Limits) -> None:
    asyncio.run(limits.close())


def passes(limits: Limits, key: str = "key") -> bool:
    decision = limits.take(key, 1, HOUR, 1)
    assert isinstance(decision, Decision)
    return decision.allowed


def test_is_readable_by_its_owner_only(url: str, path: Path) -> None:
    limits = DRIVERS.open(url)
    assert path.stat().st_mode & 0o777 == 0o600
    close(limits)


def test_goes_with_the_last_who_uses_it(url: str, path: Path) -> None:
    first, second = DRIVERS.open(url), DRIVERS.open(url)
    assert passes(first)
    assert not passes(second)
    close(first)
    assert path.exists()
    assert not passes(second)
    close(second)
    assert not path.exists()


def test_that_a_crashed_gateway_has_left_is_taken_over_with_its_counts(
    url: str, path: Path
) -> None:
    with takers(url, (1, HOUR, 1), "1000000000", key="key", many=1):
        other = DRIVERS.open(url)
        assert passes(other)
        close(other)
        assert path.exists()
    after = DRIVERS.open(url)
    assert not passes(after)
    close(after)
    assert not path.exists()


@pytest.mark.parametrize("size", [0, 10, 4096, 4_000_000])
def test_that_is_something_else_is_replaced(url: str, path: Path, size: int) -> None:
    path.write_bytes(b"x" * size)
    limits = DRIVERS.open(url)
    assert passes(limits)
    assert not passes(limits)
    close(limits)


def test_of_another_version_is_replaced(url: str, path: Path) -> None:
    first = DRIVERS.open(url)
    size = path.stat().st_size
    close(first)
    path.write_bytes(b"aitlimit\xff\xff\xff\xff" + bytes(size - 12))
    limits = DRIVERS.open(url)
    assert passes(limits)
    close(limits)


def test_with_other_slots_is_replaced_when_nobody_uses_it(url: str, path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    limits = DRIVERS.open(url.replace("4096", "8192"))
    size = path.stat().st_size
    close(limits)
    limits = DRIVERS.open(url)
    assert path.stat().st_size < size
    close(limits)


def test_with_other_slots_is_an_error_while_it_is_in_use(url: str) -> None:
    limits = DRIVERS.open(url)
    with pytest.raises(BackendError, match="another number of slots"):
        DRIVERS.open(url.replace("4096", "8192"))
    close(limits)


def test_of_another_version_is_an_error_while_it_is_in_use(url: str, path: Path) -> None:
    limits = DRIVERS.open(url)
    with path.open("r+b") as file:
        file.write(b"x" * HEADER_SIZE)
    with pytest.raises(BackendError, match="another version"):
        DRIVERS.open(url)
    close(limits)


def test_does_not_follow_a_link(url: str, path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackendError, match=path.name):
        DRIVERS.open(url)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_of_another_user_is_refused(url: str, path: Path) -> None:
    path.touch()
    os.chown(path, 12345, 12345)
    with pytest.raises(BackendError, match="belongs to another user"):
        DRIVERS.open(url)


def test_that_is_never_made_ready_is_given_up(url: str, path: Path) -> None:
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(BackendUnavailable, match="does not run"):
        DRIVERS.open(url)
    os.close(file)


def test_for_which_there_is_no_room_is_an_error_and_leaves_nothing(url: str, path: Path) -> None:
    code = """
import resource, sys
from backends.errors import BackendError
from backends.limits import DRIVERS
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    DRIVERS.open(sys.argv[1])
except BackendError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True)
    assert f"{path}: File too large" in done.stdout, done.stderr
    assert not path.exists()
