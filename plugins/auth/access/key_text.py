"""How an API key is written: a beginning that scanners find, 190 random bits, a checksum.

`aitk_`, 32 random characters of 0-9A-Za-z, then the CRC-32 of all before in six more: what was
mistyped or made up is refused without a look into the database.
"""

from __future__ import annotations

import re
import secrets
import string
from zlib import crc32

START = "aitk_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
DRAWN, CHECK = 32, 6
SHAPE = re.compile(rb"aitk_[0-9A-Za-z]{38}")
HINT = len(START) + 4


def drawn() -> str:
    body = START + "".join(secrets.choice(ALPHABET) for _ in range(DRAWN))
    return body + _checksum(body.encode())


def well_formed(key: bytes) -> bool:
    if SHAPE.fullmatch(key) is None:
        return False
    return key[-CHECK:] == _checksum(key[:-CHECK]).encode()


def _checksum(body: bytes) -> str:
    number, found = crc32(body), ""
    for _ in range(CHECK):
        number, digit = divmod(number, len(ALPHABET))
        found = ALPHABET[digit] + found
    return found
