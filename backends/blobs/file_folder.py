"""The folder of the file driver: `index.db`, `objects/`, `incoming/` and `secret`."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from backends.blobs.blob import Blob, Corrupt, Page, span
from backends.blobs.file_index import Index
from backends.blobs.file_upload import Upload, left_over, make_folder, sync_folder
from backends.blobs.key import Put
from backends.errors import BackendError, Conflict, Missing, Refused

COLLECTED_AT_ONCE = 100
CHUNK = 1 << 20
KEPT_FREE = 16 << 20  # so that the index can always be written, and blobs deleted
TRIES = 20


class Opened:
    """One blob's bytes; they stay readable whatever happens to their name."""

    def __init__(self, folder: Folder, key: str, start: int, end: int | None) -> None:
        self._folder = folder
        self._asked = (key, start, end)
        self._descriptor = -1
        self.blob: Blob
        self.start = 0
        self.end = 0

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def enter(self) -> bytes:
        """The first chunk. Raises Missing, OutOfRange."""
        key, start, end = self._asked
        self.blob, self._descriptor = self._folder.open(key)
        self.start, self.end = span(start, end, self.blob.size)
        first = self.read(self.start)
        if self.start + len(first) == self.end:
            self.close()  # spares another way to the disk
        return first

    def read(self, at: int) -> bytes:
        """Up to a chunk, shorter or empty where bytes are missing."""
        return os.pread(self._descriptor, min(CHUNK, self.end - at), at)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Folder:
    """All of it blocks and may be called by several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._incoming = path / "incoming"
        self._index = Index(path)
        self._preparing = threading.Lock()
        self._prepared = False

    def upload(self) -> Upload:
        return Upload(self._incoming)

    def write(self, upload: Upload, part: bytes) -> None:
        self.prepare()
        disk = os.statvfs(self._incoming)
        if disk.f_bavail * disk.f_frsize < len(part) + KEPT_FREE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        upload.write(part)

    def finish(self, upload: Upload, part: bytes, put: Put) -> tuple[Blob, bool]:
        """Whether bytes may have lost their last key, too. Raises Corrupt, Conflict."""
        try:
            self.write(upload, part)
            digest = upload.seal()
            if put.sha256 not in (None, digest):
                raise Corrupt("blobs: the body is not what its sha256 promised")
            blob = Blob(put.key, upload.size, digest, put.content_type, datetime.now(UTC))
            if put.only_if_absent and self._index.find(put.key) is not None:
                raise Conflict("blobs: there is a blob already")
            return blob, self._publish(upload, blob, digest, put)
        finally:
            upload.discard()

    def _publish(self, upload: Upload, blob: Blob, digest: str, put: Put) -> bool:
        """The bytes are synced before the writers' lock is taken, so that others need not wait."""
        place = self._object(digest)

        def still_placed() -> None:
            if not place.exists():  # a sweep came before the index knew
                upload.place(place)

        try:
            upload.place(place)
            return self._index.publish(blob, still_placed, only_if_absent=put.only_if_absent)
        except BaseException:
            try:
                self._index.suspect(digest)
                self._index.collect(self._unlink, COLLECTED_AT_ONCE)
            except (OSError, sqlite3.Error, BackendError):  # not now either: a later sweep
                upload.leave()
            raise

    def find(self, key: str) -> Blob:
        self.prepare()
        if (blob := self._index.find(key)) is None:
            raise Missing("blobs: there is no such blob")
        return blob

    def open(self, key: str) -> tuple[Blob, int]:
        for _ in range(TRIES):
            blob = self.find(key)
            assert blob.sha256 is not None
            with suppress(FileNotFoundError):  # replaced since it was found, or lost
                return blob, os.open(self._object(blob.sha256), os.O_RDONLY | os.O_CLOEXEC)
        raise Corrupt("blobs: the bytes of a blob are gone")

    def page(self, prefix: str, cursor: str | None, limit: int) -> Page:
        self.prepare()
        items = self._index.page(prefix, cursor or "", limit + 1)
        more = len(items) > limit
        return Page(items[:limit], items[limit - 1].key if more else None)

    def remove(self, key: str) -> bool:
        """Whether bytes may have lost their last key."""
        self.prepare()
        return self._index.remove(key)

    def sweep(self) -> None:
        """What writers that died have left, and what no key has any more."""
        self.prepare()
        for sha256 in left_over(self._incoming):
            if sha256 is not None:
                self._index.suspect(sha256)
        while self._index.collect(self._unlink, COLLECTED_AT_ONCE):
            pass

    def secret(self) -> bytes:
        """The folder's own, made once by whoever comes first."""
        self.prepare()
        file = self._path / "secret"
        if not file.exists():
            made = self._incoming.with_name(f"secret.{secrets.token_hex(8)}")
            try:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                descriptor = os.open(made, flags, 0o600)
                try:
                    os.write(descriptor, secrets.token_hex(32).encode())
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                with suppress(FileExistsError):
                    os.link(made, file)
            finally:
                made.unlink(missing_ok=True)
            sync_folder(self._path)
        secret = file.read_bytes()
        if len(secret) < 16:
            raise Refused("blobs: the file secret has fewer than 16 bytes")
        return secret

    def check(self) -> None:
        self._prepared = False
        self.prepare()
        self._index.find("")
        if not os.access(self._incoming, os.W_OK | os.X_OK):
            raise Refused("blobs: the folder cannot be written to")
        disk = os.statvfs(self._incoming)
        if disk.f_bavail * disk.f_frsize < KEPT_FREE:
            raise Refused("blobs: the disk is full")

    def prepare(self) -> None:
        if self._prepared:
            return
        with self._preparing:
            for folder in (self._incoming, self._path / "objects"):
                make_folder(folder)
            self._prepared = True

    def close(self) -> None:
        self._index.close()

    def _object(self, sha256: str) -> Path:
        return self._path / "objects" / sha256[:2] / sha256[2:]

    def _unlink(self, sha256: str) -> None:
        self._object(sha256).unlink(missing_ok=True)
