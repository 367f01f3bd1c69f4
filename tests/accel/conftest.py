"""Tests of the accelerator's own interface, where it is installed (`nox -s accel`)."""

from __future__ import annotations

from waymark.store.packing import PYTHON, chosen_packer

collect_ignore = ["test_interface.py"] if chosen_packer({}) is PYTHON else []
