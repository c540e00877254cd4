"""The file beside an import that holds the lines it rejected, each with the reason: NDJSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from commands.files import STANDARD_STREAM
from commands.session import CommandFailed

SUFFIX = ".rejects.ndjson"


def build_rejects_path(input_path: str) -> Path:
    """Where the rejected lines of an input go unless told: beside it; for standard input in the working folder."""
    return Path(f"{'stdin' if input_path == STANDARD_STREAM else input_path}{SUFFIX}")


class RejectsFile:
    """Made with the first rejected line, then in place of an older one; without rejected lines nothing is touched."""

    def __init__(self, path: Path) -> None:
        folder = path.absolute().parent
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise CommandFailed(f"{path} cannot be written; name another file for rejected lines with --rejects")
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def add(self, *, file: str, line: int, code: str, error: str, original: str) -> None:
        """Write one rejected line."""
        if self._file is None:
            self._file = self.path.open("wb")
        entry = {"file": file, "line": line, "code": code, "error": error, "original": original}
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self.count += 1

    def close(self) -> None:
        """Finish the file, and say on standard error where it is."""
        if self._file is not None:
            self._file.close()
            click.echo(f"{self.count} rejected lines are in {self.path}", err=True)
