"""Sending a mail over SMTP."""

from __future__ import annotations

import os
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

SENDER = "hello@welcome.example"


@dataclass(frozen=True, slots=True)
class Mailer:
    """A mail server, and how to hand it a mail."""

    host: str
    port: int

    async def send(self, to: str, subject: str, message_id: str) -> None:
        """Returns when the server has taken the mail, raises `aiosmtplib.SMTPException` else."""
        message = EmailMessage()
        message["From"] = SENDER
        message["To"] = to
        message["Subject"] = subject
        message["Message-ID"] = message_id
        message.set_content("Good to have you with us.\n")
        await aiosmtplib.send(message, hostname=self.host, port=self.port, timeout=30)


def mailer() -> Mailer:
    """The dependency of the actions that send mail."""
    return Mailer(os.environ.get("SMTP_HOST", "127.0.0.1"), int(os.environ.get("SMTP_PORT", "25")))
