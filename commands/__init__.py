"""The command line of the service, under `flask`: what an operator does beside the API. docs/command-line.md."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

COMMANDS = ("projects", "events", "columnar_copy", "demo")
"""Modules of this package; each has one command or group of commands, `command`."""


def register(app: Flask) -> None:
    """Add every command to `flask`."""
    for name in COMMANDS:
        app.cli.add_command(import_module(f"commands.{name}").command)
