"""The app's configuration, from the environment, as Mountaineer has it."""

from __future__ import annotations

from mountaineer import ConfigBase


class AppConfig(ConfigBase):
    DATABASE_URL: str
    SMTP_HOST: str = "127.0.0.1"
    SMTP_PORT: int = 25
