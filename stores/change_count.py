"""Tells the processes of a host, without asking SQLite, whether documents changed since a process read them.

A look at SQLite hands Python's interpreter to other threads four times, which costs a small request more than all else
that is done for it. So documents that were read are kept with the count they were read at, and read again when it is
another one.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

BYTES: Final = 8


class ChangeCount:
    """How often documents were changed, in a file that the processes of the host share in memory.

    Odd while a change is being committed, and after a process died at that until the next change: what is read
    meanwhile may be of before or after it.
    """

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < BYTES:
                os.ftruncate(file, BYTES)
            self._count = memoryview(mmap.mmap(file, BYTES)).cast("Q")
        finally:
            os.close(file)

    def read(self) -> int | None:
        """The count, None while a change is being committed."""
        count = self._count[0]
        return None if count % 2 else count

    def begin(self) -> None:
        """A change is about to be committed. Only by who holds the lock on the store; so is `end`."""
        self._count[0] |= 1

    def end(self) -> None:
        """The change is committed."""
        self._count[0] += 1
