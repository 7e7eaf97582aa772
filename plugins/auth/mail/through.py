"""Letters that leave through another plugin of the file, such as notification."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any, Protocol, runtime_checkable

from plugins.auth.mail.postman import Send


@runtime_checkable
class SendsEmail(Protocol):
    """**Protocol:** what a plugin offers in process to have mail sent.

    It returns once the mail is taken over for good; an exception says that it is not, and the
    letter is offered again later.
    """

    async def send_email(
        self, to: str, subject: str, text: str, html: str | None = None
    ) -> Any: ...


def through(plugin: Callable[[], Any], else_: Send) -> Send:
    """plugin: what it offers by now, asked for at each letter; None where there is none."""

    async def send(message: EmailMessage) -> None:
        offered = plugin()
        if isinstance(offered, SendsEmail):
            text = message.get_content()
            await offered.send_email(str(message["To"]), str(message["Subject"]), text, None)
        else:
            await else_(message)

    return send
