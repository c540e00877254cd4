"""What a process remembers of copies between questions: of each project manifest, tail and last snapshot."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from columns.manifest import Manifest
from columns.snapshot import Snapshot
from columns.tail import Tail

MAX_PROJECTS: Final = 200


@dataclass
class ProjectMemory:
    """What this process remembers of one project's copy. Whoever uses it holds its lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    version: tuple[int, int] | None = None
    """That of the manifest's file; None: it was not read yet."""
    manifest: Manifest = field(default_factory=Manifest)
    tail: Tail = field(default_factory=Tail)
    snapshot: Snapshot | None = None

    def take(self, manifest: Manifest, version: tuple[int, int]) -> None:
        """Go on with another manifest, and with what of the tail is not in its segments."""
        if (manifest.epoch, manifest.removals) != (self.manifest.epoch, self.manifest.removals):
            self.tail = Tail()
        self.manifest, self.version, self.snapshot = manifest, version, None
        self.tail.trim(manifest.position)

    def drop_tail(self) -> None:
        """Read everything after the segments again."""
        self.tail = Tail(start=self.manifest.position, position=self.manifest.position)
        self.snapshot = None


class Memory:
    """The projects that were asked for last, MAX_PROJECTS at most."""

    def __init__(self) -> None:
        self._projects: OrderedDict[str, ProjectMemory] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, project_key: str) -> ProjectMemory:
        """What is remembered of a project; nothing at first."""
        with self._lock:
            project = self._projects.setdefault(project_key, ProjectMemory())
            self._projects.move_to_end(project_key)
            while len(self._projects) > MAX_PROJECTS:
                self._projects.popitem(last=False)
            return project

    def forget(self, project_key: str | None = None) -> None:
        """Drop what is remembered of a project (None: of all)."""
        with self._lock:
            if project_key is None:
                self._projects.clear()
            else:
                self._projects.pop(project_key, None)

    def list_removals(self) -> list[tuple[str, int]]:
        """Each project, and the last removal that was carried out in what is remembered of it."""
        with self._lock:
            return [(key, project.manifest.removals) for key, project in self._projects.items()]
