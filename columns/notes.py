"""What was found out about a segment's events, kept in a file beside it: an immutable segment is looked through once.

Notes are as derived as the copy: where there are none, or they cannot be read, whoever needs them finds out again. They
go when their segment goes.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from columns.manifest import NOTES_SUFFIX, load_manifest, publish_file

MAX_NOTES_BYTES: Final = 10_000_000


def load_notes(directory: Path, segment_file: str) -> bytes | None:
    """The notes on a segment; None: there are none."""
    try:
        return (directory / f"{segment_file}{NOTES_SUFFIX}").read_bytes()
    except OSError:
        return None


def save_notes(directory: Path, segment_file: str, notes: bytes) -> None:
    """Keep notes on a segment, unless they are huge or it is not in force any more. On a full disk there are none."""
    if len(notes) > MAX_NOTES_BYTES:
        return
    path = directory / f"{segment_file}{NOTES_SUFFIX}"
    beside = directory / f"{segment_file}.{secrets.token_hex(4)}.part"
    try:
        beside.write_bytes(notes)
        publish_file(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
    # looked at afterwards: whoever drops the segment later deletes its notes too
    if segment_file not in load_manifest(directory).files:
        path.unlink(missing_ok=True)
