"""`flask events`: import events from files, export them to files."""

from __future__ import annotations

from flask.cli import AppGroup

from commands.export_events import export_events
from commands.import_events import import_events

command = AppGroup("events", help="Import events from files, export them to files.")
command.command("import")(import_events)
command.command("export")(export_events)
