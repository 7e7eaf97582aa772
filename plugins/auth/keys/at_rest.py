"""Encryption at rest: AES-256-GCM, with the context as associated data."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import GatewayError

NONCE = 12
SHORTEST = 32


class SealedOtherwise(GatewayError):
    """It was sealed with another key, for another context, or was changed since."""


class AtRest:
    """secret: at least 32 characters of random text. Raises ValueError."""

    def __init__(self, secret: str) -> None:
        if len(secret) < SHORTEST:
            raise ValueError(f"the secret has at least {SHORTEST} characters, all at random")
        derived = HKDF(SHA256(), 32, None, b"ait-gateway auth at rest 1").derive(secret.encode())
        self._cipher = AESGCM(derived)
        self._tags = HKDF(SHA256(), 32, None, b"ait-gateway auth tags 1").derive(secret.encode())

    def seal(self, clear: bytes, context: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, clear, context)

    def tag(self, data: bytes, context: bytes) -> bytes:
        """32 bytes (HMAC-SHA-256) that nobody else can make."""
        return hmac.digest(self._tags, context + b"\0" + data, "sha256")

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises SealedOtherwise."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], context)
        except (InvalidTag, ValueError):
            raise SealedOtherwise(
                "what is encrypted in the database opens with neither `secret` nor `secret_file`: "
                "put the one back that it was encrypted with"
            ) from None


def kept_in(path: Path) -> str:
    """The secret in the file, which is made with mode 0600 by the first process that asks.

    Raises OSError, and ValueError when others may read the file.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path} may be read by others: chmod 600 {path}")
    return path.read_text().strip()
