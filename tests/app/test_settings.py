"""Settings: one place, every mistake named with its source and what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from waymark.errors import SettingsError
from waymark.settings import Settings, load_settings


def test_defaults() -> None:
    """Nothing given, nothing set: the defaults."""
    assert load_settings({}, {}) == Settings()


def test_a_keyword_wins_over_the_environment() -> None:
    """Keyword, then environment, then default; None counts as not given."""
    environment = {"WAYMARK_CONCURRENCY": "7", "WAYMARK_LEASE_SECONDS": "12.5"}
    settings = load_settings({"concurrency": 3, "lease_seconds": None}, environment)
    assert (settings.concurrency, settings.lease_seconds) == (3, 12.5)


def test_every_setting_can_come_from_the_environment() -> None:
    """Text is read as the setting's type."""
    settings = load_settings(
        {},
        {
            "WAYMARK_DATABASE_URL": "memory://",
            "WAYMARK_QUEUES": "default, gpu",
            "WAYMARK_DATA_DIRECTORY": "/srv/data",
            "WAYMARK_TUNE_GC": "true",
            "WAYMARK_SCHEMA": "jobs",
        },
    )
    assert settings.queues == ("default", "gpu")
    assert settings.data_directory == Path("/srv/data")
    assert settings.tune_gc
    assert settings.schema == "jobs"
    assert load_settings({}, {"WAYMARK_QUEUES": ""}).queues == ()


@pytest.mark.parametrize(
    ("keywords", "environment", "message"),
    [
        ({"concurency": 3}, {}, "unknown setting 'concurency'; did you mean concurrency?"),
        ({"zzz": 3}, {}, "unknown setting 'zzz'; known are: database_url, schema"),
        ({"concurrency": 0}, {}, "keyword concurrency= must be a whole number of at least 1"),
        ({"concurrency": True}, {}, "whole number of at least 1, not True"),
        ({}, {"WAYMARK_CONCURRENCY": "many"}, "environment variable WAYMARK_CONCURRENCY must be"),
        ({"lease_seconds": 0.1}, {}, "a number of seconds of at least 1, not 0.1"),
        ({"poll_seconds": float("nan")}, {}, "a number of seconds of at least 0.01, not nan"),
        ({"queues": [1]}, {}, "() only submits, not [1]"),
        ({"queues": ("a b",)}, {}, "a queue is named by letters, digits and any of"),
        ({"tune_gc": "perhaps"}, {}, "true or false"),
        ({}, {"WAYMARK_DATABASE_ULR": "x"}, "did you mean WAYMARK_DATABASE_URL?"),
    ],
)
def test_a_wrong_setting_says_what_would_do(
    keywords: dict[str, object], environment: dict[str, str], message: str
) -> None:
    """The message names the setting, where it came from and what it accepts."""
    with pytest.raises(SettingsError) as caught:
        load_settings(keywords, environment)
    assert message in str(caught.value)


def test_other_peoples_variables_are_left_alone() -> None:
    """Kubernetes puts variables of a service named `waymark` into every pod."""
    environment = {"WAYMARK_SERVICE_HOST": "10.0.0.1", "WAYMARK_PORT_5432_TCP": "tcp://"}
    assert load_settings({}, environment) == Settings()


def test_a_wrong_url_is_not_echoed() -> None:
    """It may hold a password."""
    with pytest.raises(SettingsError) as caught:
        load_settings({"database_url": 7_777_777}, {})
    assert "7777777" not in str(caught.value)
