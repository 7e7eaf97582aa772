"""Settings of mail."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class MailOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """plugin: the name in the file of the one that mails go through, if it is there. Without it
    and without `host` letters are printed to standard output, which is for development alone.

    tls: `starttls` upgrades the connection or sends nothing, `implicit` begins with TLS.
    sender: what `From:` says.
    """

    plugin: str = "notification"
    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = ""
    password: str = ""
    sender: str = "no-reply@localhost"

    def __repr__(self) -> str:
        return f"MailOptions(host={self.host!r}, port={self.port}, tls={self.tls!r})"
