"""A real SMTP server on loopback that keeps no mail, only who got which."""

from __future__ import annotations

import asyncio
import socket
from email import message_from_bytes
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MailSink:
    """Takes every mail, and is as slow as a real server would be.

    `mails` has the Message-ID of each copy, in order of arrival, by recipient. The server runs
    on a thread of its own from `__enter__` to `__exit__`.
    """

    def __init__(self, seconds_per_mail: float = 0.0) -> None:
        self.mails: dict[str, list[str]] = {}
        self.seconds_per_mail = seconds_per_mail
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    @property
    def received(self) -> int:
        """How many recipients have at least one mail."""
        return len(self.mails)

    async def handle_DATA(  # noqa: N802  # the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Called by aiosmtpd for each mail, after the final dot and before the answer."""
        message = message_from_bytes(envelope.original_content or b"")
        for recipient in envelope.rcpt_tos:
            self.mails.setdefault(recipient, []).append(message["Message-ID"])
        await asyncio.sleep(self.seconds_per_mail)
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._controller.stop()
